"""The weaker words around a code, per script: none of them is proof alone, two of them together often are.
NOUNS may name a code ("key", "digits"), and NUMBERS beside a purpose ("verification number"); TELLS hand it over,
AIMS say where or to whom ("in the app", "driver"), WARNINGS keep it secret, VALIDITY says how long it lives."""

from namaskah.messages.words import load

_NOUNS: dict[str, str] = {
    "latin": """
        digits$|key$|pass$|security number|secret number|magic number|personal number|access number|access$
        login number|number to enter|sign-in number|one time$|one-time$|single use|single-use
        verification$|login$|authentication$|combination$
        acceso$|numero de seguridad|numero secreto|numero de acceso|llave|digitos|numero de verifica
        numero de confirm|chave|numero de seguranca|acesso$|cifras|numero de valid
        cle$|cle d|numero de securite|chiffres|acces$|numero de verif|chiffre secret
        zahl$|ziffern|zugangsziffern|sicherheitsziffern|bestatigungsziffern|zugangszahl|sicherheitsnummer|zugang$|zugangsschluss|sicherheitsschluss|aktivierungsschluss
        bestatigungsnummer|sicherheitszahl|pruefnummer|prufnummer|prufziffer
        key sms|numero di sicurezza|cifre$|numero di verifica|sleutel|toegangssleutel|cijfers$
        beveiligingsnummer|verificatienummer|nyckel|siffror|sakerhetsnummer|verifieringsnummer|nokkel$
        sikkerhetsnummer|sikkerhedsnummer|bekraeftelsesnummer|nogle$|siffer|varmistusnumero
        klucz|klucz dostepu|klucz sms|cyfry|numer weryfik|numer bezpiecz|klic$|klic k|sms klic|cislice
        overovaci cislo|overovacie cislo
        kluc$|kljuc|szamsor|ellenorzo szam|biztonsagi szam|cheia|cifrele|numar de verif|brojka
        verifikacijski broj|potvrdni broj|sigurnosni broj|celes|numri i verif|numri i konfirm
        anahtar|guvenlik numara|dogrulama numara|onay numara|acar$|acari|tasdiq raqam|kalit
        so bao mat|so xac thuc|chia khoa|nomor keamanan|nomor konfirm|angka$|angka rahasia|kunci$|nombor keselamatan
        susi$|namba ya siri|tarakimu
        turvanumber|vott$|patvirtinimo numer|raktas|skaicius$|drosibas numur|atslega
        ramz|rakm|raqam al|raqm|klyuch|kluch|clau$|xifres|gako$|giltza
    """,
    "greek": "ψηφια|αριθμος ασφ",
    "cyrillic": """
        ключ|цифры|секретный номер|цифри|кілт|ачкыч
    """,
    "armenian": "բանալի|թվերը",
    "georgian": "გასაღებ|ციფრებ",
    "hebrew": "מפתח|ספרות|מספר סודי",
    "arabic": "مفتاح|رقم الامان|رقم سري|ارقام|الارقام|کلید|کنجی",
    "devanagari": "कुंजी",
    "bengali": "চাবি",
    "thai": "ตัวเลข",
    "lao": "ຕົວເລກ",
    "han": "数字|數字",
    "hangul": "숫자",
}

_NUMBERS: dict[str, str] = {
    "latin": """
        number$|no.$|num$|numero|nummer|nombor|nomor|numer|cislo|szam$|szamot$|numar|broj|stevilk|numara|raqam
        namba|nambari|numri|nomer|dugaar|number|numbri|numeri|skaic|zenbaki|uimhir|rhif|numru
    """,
    "greek": "αριθμο",
    "cyrillic": "номер|число|број|нөмір|номур|рақам|рақами|дугаар|нумар",
    "armenian": "համար",
    "georgian": "ნომერ",
    "hebrew": "מספר",
    "arabic": "رقم|عدد|شماره|نمبر|شمېره|ژمار",
    "devanagari": "अंक|संख्या|नंबर|नम्बर|क्रमांक",
    "bengali": "নম্বর|সংখ্যা|নাম্বার",
    "gurmukhi": "ਨੰਬਰ|ਅੰਕ",
    "gujarati": "નંબર|અંક",
    "odia": "ନମ୍ବର|ସଂଖ୍ୟା",
    "tamil": "எண்",
    "telugu": "సంఖ్య|నంబర్|నెంబర్",
    "kannada": "ಸಂಖ್ಯೆ|ನಂಬರ್",
    "malayalam": "നമ്പ|സംഖ്യ",
    "sinhala": "අංක",
    "thai": "หมายเลข|เลข",
    "lao": "ເລກ|ໝາຍເລກ",
    "khmer": "លេខ",
    "myanmar": "နံပါတ်",
    "ethiopic": "ቁጥር",
    "han": "号码|號碼|番号",
    "hangul": "번호",
}

_TELLS: dict[str, str] = {
    "latin": """
        ask for|asks for|asked for|ask you|pedir|pide$|pedira|demander|fragt|verlangt|chieder|vraagt|laat$
        sporr|fragar
        kysyy|zapyta|popros|intreab|cere$|pita$|sorar|isteye|minta|hoi$|ataomba|sag till|give$|tell$|share$
        show$|say$|read$|mention$|dile$|dale$|diga|dicte|indique|indica|comparte|muestra
        informe|informa|mostre|passe$|fale$|donnez|donne$|communiquez|montrez|dites|indiquez|nenne|sag$|sagen
        zeig|teile|comunica|mostra|dai$|geef|vertel|toon$|noem|uppge|visa$|oppgi|fortell|giv$|vis$|oplys
        kerro|nayta|podaj|pokaz|powiedz|sdel|rekn|ukaz|povedz|mondd|mutasd|spune|arata|recite|reci$|kazi
        soyle|goster|paylas|bildir|doc$|dicta$|dictez|dictee|diktier|detta$|dettate|podykt|nadikt|diktal
        cung cap|dua$|bao$|sebut|tunjuk|berikan|beri$|beritahu
        kasih|ibigay|sabihin|ipakita|mwambie|mpe$|onyesha|batay|batae|batan|bolen|dikha|soobsh|skazh|nazov
        pokazh|deyin|ayting|utle|naita|pasaky|parod|pateik|nosauc|paradi
    """,
    "greek": "δωστε|δωσε|πειτε|πες|δειξ|ανακοιν",
    "cyrillic": """
        сообщ|спросит|попрос|запит|скажи|назов|покаж|переда|продикт|повідом|назвіть|скажіть|покажіть|кажете
        дайте|кажи|покажи
        айтыңыз|айтың|көрсет|айтыныз|хэлж|паведам
    """,
    "armenian": "ասեք|ցույց",
    "georgian": "უთხარ|აჩვენ",
    "hebrew": "מסור|מסרו|תנו|הצג|אמרו|אמור|הראה",
    "arabic": "اعط|أعط|اخبر|أخبر|قل$|قدم|اظهر|شارك|بلغ|بگویید|اعلام|ارائه|بتائ|دکھائ|دیں",
    "devanagari": "बताएं|बताएँ|बताये|बताइए|बता दें|दिखा|सांगा|भन्नु|दिनु",
    "bengali": "বলুন|দেখান|জানান",
    "gurmukhi": "ਦੱਸੋ|ਦਿਖਾਓ",
    "gujarati": "કહો|જણાવો|બતાવો",
    "tamil": "சொல்ல|தெரிவி|காட்ட",
    "telugu": "చెప్పండి|చూపించ",
    "kannada": "ತಿಳಿಸಿ|ಹೇಳಿ|ತೋರಿಸಿ",
    "malayalam": "പറയുക|കാണിക്ക",
    "sinhala": "පවසන්න|පෙන්වන්න",
    "thai": "แจ้ง|บอก|แสดง",
    "lao": "ບອກ|ແຈ້ງ",
    "khmer": "ប្រាប់|បង្ហាញ",
    "myanmar": "ပြောပ|ပြပ",
    "ethiopic": "ይንገሩ|ያሳዩ|ይስጡ",
    "han": "告知|告诉|告訴|出示|提供给|提供給|报给|お伝え|伝えて|提示|見せ",
    "hangul": "알려|말씀|보여|제시|전달",
}

_AIMS: dict[str, str] = {
    "latin": """
        app$|apps$|application|aplic|appli$|applik|aplik|appen|appi|appnak|sovellu|rakend|lietotn|programel
        uygulama|ilova|tetbiq|ung dung|toep$|programu|websi|webbplats|webseite|internetseite|site$|sitio|sitet
        pagina|page$|strona|strone|stronie|stranic|sayfa|trang|laman|halaman|screen|pantalla|tela$|ecran
        bildschirm|scherm|skarm|skjerm|skaerm|ekran|obrazovk|man hinh|layar|skrin|form$|formular|field$|browser
        navegador|navigat|hemsid|nettsid|hjemmesid|weboldal|web$|prompt$|window$|device$
        keypad|keyboard|teclado|clavier|tastatur|tastier|klawiatur|klavesnic|driver|rider|adviser|advisor|representative|asesor|ejecutivo|atendente|conseiller|berater|mitarbeiter
        medewerker|consulent|konsultant|konzultant|poradc|temsilci|wakala|petugas|pegawai|nhan vien|forar
        forer|sofer|cashier|clerk|pharmacist|till$|box$|reception|technician|courier|delivery|agent$
        operator|conductor|chofer|repartidor|mensajero|motorista|entregador
        estafeta|chauffeur|livreur|fahrer|kurier|boten$|zusteller|autista|corriere|bezorger|koerier|budet
        sjafor|kuljettaj|kierowc|ridic|vodic|kuryr|sofor|futar|curier|vozac|kurir|surucu|kurye|tai xe|shipper
        pengemudi|pemandu|penghantar|dereva|haydovchi|voditel|kurer|juht|vairuotoj|kurjer|autojuh
        continu|finish|complet|proceed|start|unlock|reset|set up|setup|get going|join|prosegu|prossegu|terminar
        finaliz|weiter|fortfahr|fortsetz|abschlie|fortsatt|fortsett|fortsaet|jatka|kontynu|dokoncz|pokrac|dokonc
        folytat|befejez|nastav|devam|tamamla|bitir|tiep tuc|hoan tat|hoan thanh|bat dau|lanjut|selesai|teruskan
        mulai|ituloy|endelea|kamilisha|jatkam|turpina|testi$|tees|doorgaan|verder|afrond|termine|concluir
        concluid|completa|comenzar|empezar|comecar|commencer|demarr|aloita|porsi|rozpocz|zacit|inizia|starten
    """,
    "greek": "εφαρμογ|ιστοσελιδ|οθονη|οδηγ|διανομε|κουριερ|συνεχ|ολοκληρ",
    "cyrillic": """
        приложен|застосун|додатк|апликаци|қосымша|тиркеме|колдонмо|замима|сайт|страниц|сторін|экран|екран|поле
        консультант|сотрудник|співробітник|водител|водію|водія|курьер|кур'єр|куриер|шофьор|возач|оператор
        доставщик|жүргізуші|жолооч
        продолж|продовж|заверш|закінч|продължи|настави|жалғастыр|улантуу|давом|илова|аппликейшн|апп|праграм
    """,
    "armenian": "հավելված|վարորդ|առաքիչ|կայք|շարունակ",
    "georgian": "აპლიკაცი|აპში|მძღოლ|კურიერ|საიტ|გაგრძელ",
    "hebrew": "אפליקצי|אתר|מסך|נהג|נציג|שליח|להמשיך|להמשך|המשך|להשלמ",
    "arabic": """
        تطبيق|موقع|صفح|شاش|سائق|مندوب|الموظف|موظف|كابتن|الكابتن|متابع|للمتابعة|اكمال|لاكمال|البرنامج|برنامه
        اپلیکیشن|سایت
        راننده|پیک|ادامه|ایپ|ویب|ڈرائیور|رائیڈر|جاری|تکمیل
    """,
    "devanagari": "ऐप|एप|ॲप|वेबसाइट|स्क्रीन|ड्राइवर|एजेंट|डिलीवरी|पेज|जारी|ड्रायव्हर|चालक",
    "bengali": "অ্যাপ|এপ|ওয়েবসাইট|ড্রাইভার|চালক|রাইডার|ডেলিভারি|চালিয়ে",
    "gurmukhi": "ਐਪ|ਡਰਾਈਵਰ|ਵੈੱਬਸਾਈਟ",
    "gujarati": "એપ|ઍપ|ડ્રાઇવર|ડ્રાઈવર|વેબસાઇટ",
    "odia": "ଆପ୍|ଆପ|ଡ୍ରାଇଭର",
    "tamil": "செயலி|ஆப்|பயன்பாட்டில்|ஓட்டுந|இணையதள|தொடர",
    "telugu": "యాప్|డ్రైవర్|వెబ్|కొనసాగ",
    "kannada": "ಆ್ಯಪ್|ಅಪ್ಲಿಕೇಶನ್|ಆಪ್|ಚಾಲಕ|ಮುಂದುವರ",
    "malayalam": "ആപ്പ|ഡ്രൈവ|ആപ്ലിക്ക|തുടര",
    "sinhala": "යෙදුම|ඇප්|රියදුරු",
    "thai": "แอป|เว็บ|หน้าจอ|คนขับ|ไรเดอร์|พนักงาน|ดำเนินการ|ทำรายการ|ต่อไป",
    "lao": "ແອັບ|ແອບ|ຄົນຂັບ|ສືບຕໍ່",
    "khmer": "កម្មវិធី|អ្នកបើក|អេប|បន្ត",
    "myanmar": "အက်ပ်|အပလီ|ယာဉ်မောင်း|ဆက်လက်",
    "ethiopic": "መተግበሪያ|አፕ|ሹፌር|ለመቀጠል",
    "han": """
        应用|應用|网站|網站|页面|頁面|屏幕|司机|司機|骑手|客服人员|快递员|配送员|外送員|店员|工作人员|アプリ|サイト|画面|ドライバー
        配達員|继续|繼續|続行|完了|完成
    """,
    "hangul": "앱|화면|사이트|기사|라이더|배달|계속|완료|진행",
}

_WARNINGS: dict[str, str] = {
    "latin": """
        never share|not share|don't share|dont share|not disclose|don't disclose|don't give|not give|not forward
        never give|never tell|keep it secret|keep this|keep it to|keep it private|don't tell|not tell|confidential
        not reveal|enter it|use it to|type it|no compart|no lo comp|no la comp|nunca comp|no divulg|no lo div
        no comuni|no lo dig|no lo des|nao compart|nao divulg|nao passe|nunca divulg|nao informe|nao partilh
        ne partag|ne le part|ne le comm|ne la comm|ne comm|ne divulg|ne le divulg|ne la divulg|ne le donn
        nicht weiter|nicht teil|geheim|niemals|niemandem|non condivid|non comunic|non divulg|non rivel
        niet delen|deel nooit|deel dit niet|deel deze|deel hem|met niemand|del ikke|del den ikke|ikke del|dela inte
        dela den inte|dela aldrig|ala jaa|ala kerro|nie podaw|nie udost|nikomu|nesdel|neprezrad|nezdiel|ne add
        senkinek|ne oszd|nu il com|nu comunic|nu divulg|nu impart|nu il imp|nimanui|ne dijel|ne otkriv|nikome
        ne delite|ne delit|nikomur|paylasma|kimseyle|kimseye|hec kim|hech kim|dung chia se|khong chia se
        khong cung cap|tuyet doi khong|jangan|huwag|wag i|usimpe|usimwambie|usishiriki|usitoe|nebendrin|niekam
        neatklaj|nevienam|ara jaga|arge jaga|no comparteix|no el comp|mos e|mos nda|kisi ko|kisi ke|kisi se
        kisi k saath|kauke|la tosha|matdi|met2ol|ne soobsh|ne govor|moenie|deila ekki|ez partekatu
    """,
    "greek": "μη το|μην το|μη τη|μην τη|κανεναν|μη μοιρ|μην μοιρ",
    "cyrillic": """
        никому|нікому|не сообщ|не говор|не перед|не показ|не повідом|не кажіть|не передав|не споделя|не давайте
        не делите|ешкім|ба касе|ҳеч ким|ҳечким|эч ким|хэнд ч|бүү|никој
    """,
    "armenian": "ոչ մեկ",
    "georgian": "არავის|არ გაუზიარ",
    "hebrew": "אל תשתפ|אל תמסר|אין למסור|לא למסור|אין לשתף|אל תעביר|לאף אחד",
    "arabic": "لا تشارك|لا تعط|لا تطلع|لا تفصح|لا تخبر|متقول|متدي|ندهید|نکنید|قرار نده|شیئر نہ|نہ بتائ|کسی|لا ترسل",
    "devanagari": "साझा न|न बताएं|शेयर न|किसी|शेअर करू|सांगू|कसैलाई|कोणाला",
    "bengali": "কাউকে|শেয়ার কর|কারো",
    "gurmukhi": "ਕਿਸੇ",
    "gujarati": "કોઈને|કોઈની",
    "odia": "କାହାକୁ|କାହା ସହ",
    "tamil": "பகிர|யாரிட",
    "telugu": "ఎవరి|ఎవ్వరి",
    "kannada": "ಯಾರೊಂದಿಗ|ಯಾರಿಗ|ಹಂಚಿಕೊ",
    "malayalam": "ആരുമായ|ആരോട|പങ്കിട",
    "sinhala": "කිසිවෙකු|බෙදා",
    "thai": "ห้าม|อย่า|ไม่ควร",
    "lao": "ຫ້າມ|ຢ່າ",
    "khmer": "កុំ",
    "myanmar": "မမျှဝေ|မပြော",
    "ethiopic": "ለማንም",
    "han": "切勿|请勿|請勿|泄露|洩漏|泄漏|洩露|勿告|勿转|他人に|教えない|共有しない",
    "hangul": "타인|알려주지|공유하지|노출",
}

_VALIDITY: dict[str, str] = {
    "latin": """
        valid|expir|good for|lasts|works for|caduca|vence|vigen|expira|valable|gultig|gilt$|lauft ab|scade
        geldig|verloopt
        gyldig|giltig|gall|voimassa|wazn|wygas|plati|platn|ervenyes|lejar|valabil|vazi|vrijedi|velja|skadon|gecerli
        sona er|kecerlid|etibarli|amal qil|hieu luc|het han|berlaku|kadaluarsa|sah$|tamat|itatagal|inaisha|muda wa
        kehtib|galioja|deriga|gildir|balio|vlid
    """,
    "greek": "ισχυ|ληγει",
    "cyrillic": "действ|дійсн|валид|важи|истек|истич|жарамды|хүчинтэй|амал қил|дзейн",
    "armenian": "ուժի|վավեր",
    "georgian": "მოქმედ|ვადა",
    "hebrew": "תקף|בתוקף|יפוג",
    "arabic": "صالح|صلاحي|تنتهي|ينتهي|معتبر|اعتبار|میعاد|درست ہے",
    "devanagari": "मान्य|वैध|समाप्त",
    "bengali": "মেয়াদ|বৈধ|কার্যকর",
    "thai": "หมดอายุ|ภายใน|ใช้ได้",
    "han": "有效|有効|期限|失效|过期",
    "hangul": "유효|만료|이내",
}

NOUNS = load(_NOUNS)
NUMBERS = load(_NUMBERS)
TELLS = load(_TELLS)
AIMS = load(_AIMS)
WARNINGS = load(_WARNINGS)
VALIDITY = load(_VALIDITY)
