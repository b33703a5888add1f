"""The words around a one-time code, per script, as stems so that inflected and compound forms match too.
Three kinds: SECRETS name the code ("password"), PROMPTS ask for it ("enter"), PURPOSES say why ("log in").
In Latin script `^` anchors a stem at a word's start, `$` at its end; other secrets match in compounds."""

from namaskah.messages.normalise import fold_keyword

# One line per language or family; entries are separated by "|", spelled naturally and folded when loaded.
_SECRETS: dict[str, str] = {
    "latin": """
        code|^cods$|passcode|passkey|password|^passw|^pwd$|^psw$|^pw$|^pin$|^mpin$|^pin-|^pins$|^otp
        ^totp|^otac|^otk$|^2fa$
        one-time p|one time p|one-time c|one time c|onetime|^tac$|^tan$|^mtan|smstan|sms-tan|pushtan
        ^token|^security key|^login key|activation key|access key|verification key|^vcode
        verification number
        codigo|codi|^clave|contrasena|contrasenya|^nip$|numero de verificacion|palavra-passe|^senha|palavra passe
        ^segredo
        mot de passe|^mdp$|^cle de securite|parola|parole|password|^cod$|codul|^cod-|chiave
        passwort|kennwort|^einmal|aktivierungspin|sicherheitspin|zugangspin|smspin|sms-pin|^schlussel
        kennzahl|zahlencode|wachtwoord|pincode|wagwoord|toegangs
        inlogcijfer
        kod|losenord|passord|adgangskod|engangs|lykilord|adgangsord|bekreftelsesnummer|loyni
        koodi|salasana|kertakaytto|tunnusluk|vahvistustunnus|avainluku|kood|parool|tunnuskood|salasona
        haslo|hasla|heslo|^heslem|jelszo|jelszav|geslo|lozink|sifra|sifru|sifre|zaporka|slaptazod|parol
        fjalekalim
        pasahitz|gaksartzea|^bod$|cyfrinair|^chod|pasfhocal|focal faire|kalmar sirri
        mã|ma zalo|ma telegram|ma facebook|ma grab|ma shopee|ma google|ma xac|ma kich hoat|ma dang nhap
        ma dang ky|ma bao mat|ma kiem tra|ma so xac|ma cua ban|^ma la$
        ^ma:|^ma pin|ma giao dich otp
        ma truy cap|mat khau|mat ma|so xac minh|so ma xac
        ^sandi$|kata sandi|kata laluan|kata kunci|nomor verifikasi|^kata rahasia|nombor pengesahan
        nambari|msimbo|nywila|neno la siri|neno siri|khodi|lambar|lambobin|koodhk|kwdik|khowudi|phasewedi
        birdefelik|birdefalik|bir defelik|tek kullanimlik|guvenlik anahtari|sifremiz|kaodim|teny miafina
        kaody
    """,
    "greek": "κωδικ|συνθηματικ|κωδ.|κλειδι",
    "cyrillic": """
        код|kод|парол|^пин|шифр|лозинк|нууц уг|нууц дугаар|баталгаажуулах дугаар|купия|сырсоз|сырсөз|нууц үг|рамз
        пароль|гасло|ачкыч
        тасдиклаш|калит соз|одноразов|еднократн|јднократн|купиясоз|құпия
    """,
    "armenian": "կոդ|գաղտնաբառ|ծածկագ|գաղտնագ",
    "georgian": "კოდ|პაროლ",
    "hebrew": "קוד|סיסמ|סיסמא|צופן|קוֹד",
    "arabic": """
        رمز|كود|الرقم السري|الرقم السرى|كلمة المرور|كلمة مرور|كلمة السر|كلمة سر|رقم التحقق|رقم التأكيد
        رقم التفعيل|كلمه المرور|كلمه السر|رقمك السري
        کد|رمز|گذرواژه|کلمه عبور|پسورد|گذر واژه|کوڈ|پاس ورڈ|پاسورڈ|پاس کوڈ|او ٹی پی|پن کوڈ|خفیہ نمبر
        تصدیقی نمبر|کوډ|پټنوم|ڪوڊ|کۆد|تێپەڕەوشە|كودى
    """,
    "devanagari": "कोड|ओटीपी|ओ टी पी|पासवर्ड|पासकोड|पिन|संकेत|कूट|गुप्त|संख्या है|क्रमांक आहे",
    "bengali": "কোড|ওটিপি|ও টি পি|পাসওয়ার্ড|পাসকোড|পিন|সংকেত|সঙ্কেত|গোপন নম্বর|ক'ড|অ'টিপি",
    "gurmukhi": "ਕੋਡ|ਓਟੀਪੀ|ਪਾਸਵਰਡ|ਪਾਸਕੋਡ|ਪਿੰਨ|ਪਿਨ",
    "gujarati": "કોડ|ઓટીપી|પાસવર્ડ|પાસકોડ|પિન|સંકેત",
    "odia": "କୋଡ|ଓଟିପି|ପାସୱାର୍ଡ|ପିନ୍|ସଂକେତ",
    "tamil": """
        குறியீ|ஓடிபி|ஒடிபி|ஓ.டி.பி|கடவுச்சொல்|கடவுச் சொல்|கோட்|கோடு|ரகசிய எண்|பின் எண்|கடவு எண்
        கடவுக்குறி
    """,
    "telugu": "కోడ్|ఓటీపీ|ఓటిపి|ఒటిపి|పాస్‌వర్డ్|పాస్వర్డ్|పాస్‌కోడ్|పిన్|సంకేత|రహస్య",
    "kannada": "ಕೋಡ್|ಒಟಿಪಿ|ಓಟಿಪಿ|ಪಾಸ್‌ವರ್ಡ್|ಪಾಸ್ವರ್ಡ್|ಪಾಸ್‌ಕೋಡ್|ಪಿನ್|ಸಂಕೇತ",
    "malayalam": "കോഡ|ഒടിപി|ഒ.ടി.പി|പാസ്‌വേഡ്|പാസ്വേഡ്|പാസ്‌വേർഡ്|പാസ്കോഡ|പിൻ",
    "sinhala": "කේත|මුරපද|රහස්|ඕටීපී|ඔටීපී",
    "thai": "รหัส|โค้ด|พาสเวิร์ด|พิน|โอทีพี",
    "lao": "ລະຫັດ|ລະຫັດຜ່ານ",
    "khmer": "កូដ|សម្ងាត់|លេខផ្ទៀងផ្ទាត់|អូធីភី",
    "myanmar": "ကုဒ်|ကုတ်|ကုဒ|စကားဝှက်|လျှို့ဝှက်|အတည်ပြုနံပါတ်|အိုတီပီ",
    "ethiopic": "ኮድ|ይለፍ|ሚስጥር|ምስጢር|ኦቲፒ",
    "mongolian": "ᠺᠣᠳ᠋|ᠨᠢᠭᠤᠴᠠ",
    "han": """
        验证码|驗證碼|校验码|校驗碼|确认码|確認碼|激活码|激活碼|啟動碼|动态码|動態碼|动态密码|動態密碼
        密码|密碼|口令|安全码|安全碼|登录码|登錄碼|登入碼|短信码|簡訊碼
        认证码|認證碼|认证号|验证号|驗證號|授权码|授權碼|识别码|識別碼|随机码|隨機碼|检验码|检证码
        檢核碼|查证码|查核碼|注册码|註冊碼|码是|码为|碼是|碼為|代碼|代码|验证代
        コード|認証番号|確認番号|暗証番号|パスワード|認証キー|パスコード|ワンタイム|暗証|認証用番号
        検証番号|セキュリティ番号|ピン番号|本人確認番号|承認番号|登録番号は
    """,
    "hangul": """
        인증번호|인증 번호|확인번호|확인 번호|코드|비밀번호|보안번호|보안 번호|암호|오티피|패스워드
        인증키|일회용|인증문자|승인 코드|본인확인번호|핀번호|인증 키
    """,
}

_PROMPTS: dict[str, str] = {
    "latin": """
        ^enter$|^use$|^type$|^input$|^insert$|^provide$|^quote$|^using$|^key in$|^put$|punch in|submit
        plug in|pop$|tap in|fill in|copy|paste|write$|supply|present$
        ingres|introduc|introduz|^usa$|^use$|^utiliz|^escrib|^digit|^coloca|^insira|^informe|^tecle
        ^anota$|^usar$|pon$|mete$|poner|teclea|marque$|marca$|coloque|preench
        teclee|copia$|pega$|facilit|rellena|escrev|copie|cole$|poe$|insere|ecri|collez|mettez|rentre|reportez
        trag$|trage|eintrag|schreib|kopier|tipp|eingabe|scriv|metti|riporta|incolla|typ$|kopieer|invoer|intoets
        invul|fyll i|mata in|legg inn|indsaet|kirjoita|nappail|naputtel|wpis|przepis|wklej|wstaw|skopiuj|opis
        vypln|vepis|napis|zkopir|gepel|beir|usd be|masold|ird be|scrie$|scrieti|tastea|completeaz|pune$|inser
        upisi|otkuc|kucaj|prepisi|yaz$|yazip|yaziniz|gir$|gireb|girerek|tusla|yozing|tering|isi$|isikan|ketik
        tulis|salin$|masukin|pake$|taip|dien$|go vao|bam$|isulat|gamit|chapa$|jaza$|darj|likh|type kar|use kar
        ^saisi|^utilise|^entrez|^entre$|^tapez|^tape$|^composez|^renseign|^inser|^immett|^digita|^scrivi
        ^gib$|^geben|^verwend|^nutze|eingeb|eintipp|^benutz|^gebruik|^voer|^vul$|^toets
        ^ange$|^anvand|^skriv|^bruk|^brug|^indtast|^tast|^angi$|^oppgi|^sla in|^knappa|^kayta|^syota
        ^anna$|^naudo|^ivesk|^ievad|^izmant|^sisesta|^kasuta
        ^wpisz|^uzyj|^podaj|^wprowad|^zadej|^zadaj|^pouzij|^pouzi|^vloz|^opiste|^irja|^adja meg|^hasznal
        ^add meg|^introdu|^foloses|^tastat
        ^unes|^upis|^vnes|^korist|^uporab|^ukuc|^vpis|^perdor|^vendos|^shkrua|^futni
        ^girin|^girip|^giriniz|^kullan|^yazin|^tuslay|daxil edin|istifade edin|^kirit|^foydalan
        ^nhap|^su dung|^dung$|^masukkan|^masukan|^gunakan|^pakai|^sila masuk|^gamitin|^ilagay|^i-enter
        ^i-type|^ipasok
        ^tumia|^ingiza|^weka$|uweke|uingize|uandike|utumie|^andika|^gebruik|^faka$|^sebenzisa|^shigar
        ^isticmaal|^geli$|^erabil
        ^sartu|^cofnod|^sladu inn|^notadu|^cuir isteach|^usad|fes servir|feu servir|rhowch|defnyddiwch|nodwch
        amfani da|saka$|lo$|jiri$|tinye|tik$|koresha|injiza|antre|itilize|ampiasao|ampidiro|uzu$|enigu|tajpu
        daal|dalein|daalein|likhein|soz$|nhập mã|istimal|istemaal|vvedite|vvedi$|vvedit|ukazhite|naberite|unesite
    """,
    "greek": "εισαγ|πληκτρολογ|χρησιμοποι|βαλτε|καταχωρ|γραψ",
    "cyrillic": """
        ввод|вбей|впиш|скопир|вставь|набер|скопію|напиш|постав|теріңіз|жазыңыз|пайдалан|тер$|введит|введи
        используй|укажи|наберит|введіть|використ|вкажіть|въведе|използва|внесет|унесит
        користит|упишит|увядз|выкарыст|енгіз|колдан|киргиз|колдон
        оруул|ашигла|ворид|киритинг|вписвай|впишете|уведите|напишит|сообщите
    """,
    "armenian": "մուտքագր|օգտագործ|ներմուծ",
    "georgian": "შეიყვან|გამოიყენ|აკრიფ|ჩაწერ",
    "hebrew": "הזן|הזינו|הזיני|הקש|השתמש|הכנס|להזין|הקלד|רשום|כתוב|העתק",
    "arabic": """
        ادخل|أدخل|إدخال|ادخال|استخدم|استعمل|اكتب|وارد کن|وارد نما|استفاده کن|درج کریں|داخل کریں|لکھیں|ڈالیں
        ٹائپ|بزنید|بنویسید|تایپ|وارد شود|انسخ|ضع|حط
        استعمال کریں|ولیکئ|بەکاربهێنە|دابنێ
    """,
    "devanagari": "दर्ज|डालें|डाले|उपयोग|प्रयोग|इस्तेमाल|प्रविष्ट|टाका|वापर|भरें|लिखें|टाइप|राख्नु|हाल्नु",
    "bengali": "ব্যবহার|লিখুন|দিন|প্রবেশ করান|টাইপ|বসান",
    "gurmukhi": "ਦਰਜ|ਵਰਤੋ|ਭਰੋ|ਦਾਖਲ",
    "gujarati": "દાખલ|ઉપયોગ|વાપરો|નાખો",
    "odia": "ବ୍ୟବହାର|ଦିଅନ୍ତୁ|ପ୍ରବେଶ",
    "tamil": "உள்ளிட|பயன்படுத்த|பதிவிட",
    "telugu": "నమోదు|ఉపయోగ|ఎంటర్|వాడండి",
    "kannada": "ನಮೂದಿಸ|ಬಳಸಿ|ಉಪಯೋಗ",
    "malayalam": "നൽകുക|ഉപയോഗിക്ക|നല്കുക",
    "sinhala": "ඇතුළත්|භාවිත|යොදන්න",
    "thai": "กรอก|ใช้|ใส่|ป้อน|พิมพ์|ระบุ|คีย์",
    "lao": "ໃສ່|ປ້ອນ|ໃຊ້",
    "khmer": "បញ្ចូល|ប្រើ|វាយ",
    "myanmar": "ထည့်|ရိုက်|အသုံးပြု|သုံး",
    "ethiopic": "ያስገቡ|ይጠቀሙ|አስገባ",
    "mongolian": "",
    "han": "输入|填写|使用|輸入|填寫|键入|鍵入|填入|入力|录入|打ち込",
    "hangul": "입력|기입|사용|넣어|적어",
}

_PURPOSES: dict[str, str] = {
    "latin": """
        verif|confirm|log in|login|log-in|log on|logon|sign in|signin|sign-in|sign up|signup|sign-up
        signing|logging|^regist|authent|authoriz|authoris|activat
        iniciar sesion|inicio de sesion|acceder|acceso|entrar|registr|valida|connect|connexion|connecter
        inscription|iniciar sess|aceder|acesso
        anmeld|bestatig|einlog|freischalt|verifiz|accedi|conferm|accesso|iscrizione|inlog|aanmeld
        bevestig|inschrij|toegang
        logga in|inlogg|bekraft|bekreft|logge|innlogg|godkend|godkjenn|verifier|kirjaud|vahvist|todenn
        rekister|tunnist|zalog|logow|potwierd|weryfik|rejestr|autoryz
        prihlas|overit|overen|potvrd|potvrz|registrac|beleps|bejelentkez|ellenorz|megerosit|autentif
        autentic|conectare|inregistr|prijav|potrd|provjer|provere|ovjer
        dogrula|giris|onay|uyelik|tesdiq|tasdiq|kirish|patvirtin|prisijung|apstiprin|pieslegt|verific
        kinnita|sisselog|verifik|hyrje|identifik
        xac thuc|xac nhan|xac minh|dang nhap|dang ky|kich hoat|masuk|konfirmasi|pengesahan|sahkan
        log masuk|aktiva|daftar|mag-log|makumpirma|kumpirma|beripika
        thibitish|kuingia|egiazta|gwirio|dilys|stadfest|tabbatar|xaqiij|qinisek|validar|autori
        uthibitish|kuthibitish|zweryf|overte|over$|overit|erosits|hitelesit|uberpruf|aktivier|kwemeza|winjir
        injira|kwinjir|shiga|shigar|wole$|banye|ibanye|nkwenye|ungen|ngena
        it's you|its you|prove$|approve$|gets you in|lets you in|melden sie sich|melde dich|firma la|firmar
        eres tu|du bist|konekte|konfirm|ensalut|podtverzh|potvarzhd|vhod|vkhod
    """,
    "greek": "επαληθ|συνδεσ|επιβεβ|εισοδ|εγγραφ|ενεργοποι|ταυτοποι",
    "cyrillic": """
        подтвер|вход|войти|входа|авториз|регистрац|активац|вхід|підтвер|увійти|реєстрац|потвърж|потвърд
        влез|удостовер|потврд|пријав|верифи|провер|перевір
        пацвер|уваход|раста|тіркел|кіру|ырасто|баталга|нэвтр|тасдик|кириш|тасди|вериф
    """,
    "armenian": "հաստատ|մուտք|գրանց|նույնական",
    "georgian": "დადასტურ|დაადასტურ|ავტორიზ|რეგისტრ|შესვლ|ვერიფიკ",
    "hebrew": "אימות|אמת|אמתו|אשר|כניס|אישור|התחבר|הרשמ|לאמת|לאשר|זיהוי",
    "arabic": """
        تحقق|تأكيد|فعل$|اكد$|تاكيد|تفعيل|تسجيل|دخول|توثيق|المصادقة|تایید|ورود|فعال|احراز|ثبت نام|تصدیق|لاگ ان
        لاگ اِن|توثیق|دڵنیا
    """,
    "devanagari": "सत्याप|लॉगिन|लॉग इन|पुष्टि|प्रमाण|पडताळ|वेरिफ|पंजीकर|साइन इन",
    "bengali": "যাচাই|লগ|নিশ্চিত|ভেরিফি|সাইন ইন|প্রমাণী",
    "gurmukhi": "ਪੁਸ਼ਟੀ|ਤਸਦੀਕ|ਲੌਗ|ਲਾਗਇਨ|ਵੈਰੀਫ",
    "gujarati": "ચકાસ|લૉગ|લોગ|પુષ્ટિ|ખાતરી|વેરિફ",
    "odia": "ଯାଞ୍ଚ|ଲଗ|ନିଶ୍ଚିତ",
    "tamil": "சரிபார்|உள்நுழை|உறுதி",
    "telugu": "ధృవీక|ధ్రువీక|లాగిన్|నిర్ధార|వెరిఫి",
    "kannada": "ಪರಿಶೀಲ|ಲಾಗಿನ್|ಲಾಗ್|ದೃಢೀಕ",
    "malayalam": "സ്ഥിരീക|ലോഗിൻ|പരിശോധ|ലോഗ്",
    "sinhala": "සත්‍යාප|තහවුරු|පිවිස|ලොග්",
    "thai": "ยืนยัน|เข้าสู่|ลงทะเบียน|ล็อกอิน|สมัคร",
    "lao": "ຢືນຢັນ|ເຂົ້າສູ່|ລົງທະບຽນ",
    "khmer": "ផ្ទៀងផ្ទាត់|បញ្ជាក់|ចូល",
    "myanmar": "အတည်ပြု|ဝင်ရောက်|လော့ဂ်|စိစစ်",
    "ethiopic": "ማረጋገጫ|ለማረጋገጥ|ለመግባት|መግቢያ|ያረጋግጡ",
    "mongolian": "",
    "han": """
        验证|确认|核实|核验|登录|注册|登入|認證|驗證|確認|登錄|验證|认证|激活|身份|認証|ログイン|登録|本人確認|註冊
        サインイン
    """,
    "hangul": "인증|로그인|확인|본인|가입|등록",
}


def load(raw: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return each script's entries (lines, or parted by "|") as a tuple of folded stems without repeats."""
    return {script: tuple(dict.fromkeys(_stems(entries))) for script, entries in raw.items()}


def _stems(entries: str) -> list[str]:
    parts = [part for line in entries.splitlines() for part in line.strip().split("|") if part]
    return [fold_keyword(part.rstrip() + "$" if part.endswith(" ") else part) for part in parts]


SECRETS = load(_SECRETS)
PROMPTS = load(_PROMPTS)
PURPOSES = load(_PURPOSES)
