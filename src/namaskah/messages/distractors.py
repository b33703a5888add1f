"""The words around numbers that are not codes, per script, as stems (`^` and `$` as in words.py).
LABELS name the number that follows them (an order, a phone, a card), tell that something is done already
("confirmed"), or make another thing of a "code" (promo code); UNITS and CURRENCIES stand beside amounts."""

from namaskah.messages.words import load

_LABELS: dict[str, str] = {
    "latin": """
        ^order|^booking|^reservation|^invoice|^bill$|^receipt|^recibo|school code|station code|code of
        codes of|skoda|kodak|kodiaq|decod|encod|unicode|^kodin$|^kodink|^kodinh|^kodit$|^kodissa|toegangskaart|toegangsbewij
        ^request|^application|work order|job order|job no|^zlecen|^zakazk|^munkaszam|^kazi$|^sagsn|^saksn
        ^aduan|^complaint|^opdracht
        ^intervento|^intervention|^protocollo|^lucrare|^nalog$|^fiche$|^phieu|^tiket|^is emri|^solicitud
        ^solicitac|^demande$|^bolletta|^antrag|^anfrage|^richiest|^wniosek|^zadost|^kerelem
        ^cerere|^zahtjev|^zahtev|^talep|^basvuru|^yeu cau|^permintaan|^ombi|^aanvraag|^arende|^hakemus
        ^hotel|^room|^report fraud|^report it
        company code|bank code|^ticket|^parcel|^package|^tracking
        ^shipment|^consignment|^awb|^waybill|^ref$|^ref.|^reference|^refno|^txn|^transaction id
        ^account|^acct|^a/c|^ac no|^acc$|^iban|^card$|^cards$|ending in|^ending|ends with|^customer id
        ^cust|^client id|^member|^policy|^case$|^claim|^loan|^meter|^flight|^gate$|^room|^ward$|^plate
        ^unit$|^flat$|^suite$|^po box|^pnr|^folio
        ^call|^tel$|^tel.|^tel:|^telephone|^phone|^mobile no|^mobile number|^fax|hotline|helpline
        helpdesk|^helplin|^contact|^dial|^whatsapp us|^customer care|^support at|^ring$|^ph:|^ph$|^cs:
        ^cs$|^callcenter|call center|^msisdn|toll
        ^balance|^bal$|^bal.|^avail|^amount|^amt|^total|^sum$|^points|^price|^version|^ver$|^android
        ^ios$|^windows|^id:|^id$|^device id|^user id|^serial|^imei|^model|^store$|^branch|^atm|^terminal
        ^merchant|^sala$|^salle|^zimmer|^raum$|^aula$|^kamer|^gabinet|^cabinet$|^kabinet|pin betaling
        pinbetaling|^trx|^p.o.|^route|^bus$|^train|^platform|^queue|^counter|^level|^page|^chapter|^item
        ^sku
        ^confirmed|^registered|^verified|^activated|^authorized|^authorised|^confirmad|^registrad
        ^verificad|^autorizad|^activad|^ativad|^confirmee|^enregistre|^bestatigt|^registriert|^confermat
        ^registrat|^potwierdzon|^zarejestrow|^potvrden|^onaylan|^onaylandi|^bevestigd|^bekraftad
        ^bekraftats|^bekreftet|^bekraftet|^dikonfirmasi|^terkonfirmasi|^vahvistettu
        promo|coupon|voucher|discount code|zip code|zipcode|postcode|post code|postal|barcode|bar code
        qr code
        qr-code|area code|country code|sort code|swift code|ifsc|error code|source code|dress code
        gift code|redeem|tracking code|booking code|pickup code|pick-up code|collection code|claim code
        claimcode|identifier code|referral|branch code|product code|sender code|^ussd
        short code|shortcode|store code|lock code|gate code|invite code
        ^pedido|^reserva|^factura|^encomenda|^fatura|^nota fiscal|^boleto|^guia|^envio n|^referencia
        ^ref:|^cuenta|^conta$|^conta:|^tarjeta|^cartao|terminad|^final$|^saldo|^importe|^monto|^valor
        ^llam|^ligue|^liga$|^telefon|^linea|^atendimento|^sac$|^whatsapp:|^cita|^protocolo|^folio
        ^poliza|^cliente n|^dni|^nif|^cedula|^rut$|^cpf|^turno|^vuelo|^voo$|codigo postal|codigo promo
        cupon|cupom|codigo de barras|codigo de descuento|codigo de desconto|codigo de seguimiento
        codigo de rastre|codigo de reserva|codigo de recogida|codigo de retirada|codigo de area
        codigo del pais
        ^commande|^colis|^facture|^dossier|^compte|^carte$|finissant|terminant|^solde|^montant|^appel
        ^reservation|^contrat|^vol$|^train$|^suivi|^billet|code postal|code promo|code reduction
        code-barres|code barre|code de suivi|code de retrait|code de reservation
        ^bestell|^auftrag|^rechnung|^sendung|^paket|^kunden|^vertrag|^konto|^karte$|kartenend|endet auf
        endend auf|^betrag|^guthaben|^referenz|^buchung|^vorgang|^zug$|^flug|^gleis|^filiale|^rufnummer$
        ^tel$|^ruf$|^anruf|gutscheincode|rabattcode|postleitzahl|abholcode|strichcode|aktionscode
        ^ordine|^fattura|^prenotazion|^spedizion|^pacco|^conto$|^carta|terminante|che termina|^importo
        ^credito|^chiama|^numero verde|^pratica|^volo|^treno|codice postale|codice sconto|codice promo
        codice fiscale|codice a barre|codice cliente|codice di prenotazione|codice ritiro
        codice prenotazione|codice spedizione|codice ordine
        ^bestelling|^factuur|^pakket|^zending|^klant|^rekening|^pas$|^pas eindigt|eindigend|eindigt
        ^bedrag|^bel$|^boeking|kortingscode|afhaalcode|actiecode|^postnummer|^faktura|^faktur
        ^ordrenummer|^bestallning|^paket|^pakke|^forsendelse|^sendingen|^kund|^konto|^kort$|^kortet
        slutar pa|ender pa|som slutar|^belopp|^belob|^ring$|^kid$|^ocr$|rabattkod|rabatkode|hamtkod
        hentekode|avhamtningskod|kampanjkod|kampanjekode|postkod|^tilaus|^lasku|^paketti|^pakett|^tili$
        ^tilin|^kortti|^summa|^soita|^viite|alennuskood|noutokood|postinumero|^arve|^tellimus|^pakk$
        ^helista|sooduskood
        ^paczk|^zamowien|^przesylk|^faktur|^rachun|^rach|^karta|^karty|^karte|^kart$|koncow|^kwot|^saldo
        ^infolini|^numer klienta|^nr klienta|^umow|^rezerwacj|^bilet|kod odbioru|kod rabatow|kod pocztow
        kod promocyj|kod kreskow|kod kuponu
        ^objednav|^zasilk|^balik|^faktur|^ucet|^uctu|^kart|^castk|^suma|^zustat|^infolink|^rezervac
        ^smlouv|^linka|slevovy kod|zlavovy kod|vydejni kod|kod pro vyzved|^psc$|^rendel|^csomag|^szamla
        ^kartya|^osszeg|^egyenleg|^hivja|^hivd|^ugyfel|^foglalas|kuponkod|atveteli kod|^iranyitoszam
        ^comanda|^comenzii|^colet|^factur|^cont$|^contul|^cardul|^card$|^sold|^sunati|^rezervare
        cod postal|cod promo|cod reducere|cod de reducere|cod ridicare
        ^narudzb|^porudzb|^posiljk|^paket|^racun|^kartic|^iznos|^stanje|^pozovite|^nazovite|^narocil
        ^znesek|^poklicite|^rezervacij|^pozivni|postanski|poziv na broj|promo kod|kod za popust|^porosi
        ^llogari|^shuma
        ^siparis|^kargo|^fatura|^hesap|^kart$|^karti|^kartin|ile biten|biten kart|^tutar|^bakiye|^ref
        ^tel:|^musteri|^rezervasyon|^abone|^bilgi|indirim kodu|kupon|posta kodu|teslimat kodu
        kampanya kodu|^sifaris|^hesab|^balans|^mebleg|^buyurtma|^qoldiq|^summa|^hisob
        ^mã đơn|^mã vận đơn|^mã giảm giá|^mã khuyến mãi|^mã kh$|^mã hđ|^mã vạch|^mã giao dịch$
        ^mã khách hàng|^mã bưu|^mã số thuế|^mã đặt
        ^don hang|^ma don|^van don|^ma van don|^ma giam gia|^ma khuyen mai|ma vach|^tk$|^tai khoan
        ^so tk|^stk|^so du|^sd:|^so tien|^lh$|^lh:|lien he|^goi$|^tong dai|^hotline|^hoa don
        duoi so|^ma kh|^ma hd|^bks|^pesanan|^resi|^no. resi|^invois|^tagihan|^rekening|^rek$|^rek.
        ^kartu|^kad$|^akaun|^saldo|^sisa|^baki|^jumlah|^nominal|^hub$|^hubungi|^telp|^info$|^pelanggan
        ^tempahan|^bungkusan|^faktur|kode pos|kode promo|kode voucher|kode booking|kode bayar|poskod
        kod promosi|kode unik transfer|kode area|^account no|^ref. no|^tawag|^tumawag
        ^salio|^akaunti|^kumbukumbu|^piga|^agizo|^oda$|^tiketi|nambari ya simu|namba ya simu
        nambari ya agizo|^uzsakym|^siunt|^saskait|^suma|^skambink|^pasutijum|^sutijum|^rekin|^zvan
        ^tel\\.|^bel ons
        ^comandes|^comanda|^pant|^greidsl|^pontun|^eskaer|^skontr
    """,
    "greek": """
        παραγγελ|δεμα|δεματ|αποστολ|τιμολογ|λογαριασμ|καρτα|καρτας|ποσο|ποσου|υπολοιπ|τηλ|καλεστε|κρατησ
        ταχυδρομικ|εκπτωτικ|προσφορ|ληγει σε
    """,
    "cyrillic": """
        заказ|бронь|брони|посылк|трек|накладн|счет|счёт|карт|баланс|остаток|сумм|доступно|тел.|тел:|тел$
        запрос|заявлен|заявк|наряд|запит №|молба
        телефон|звоните|позвоните|горяч|договор|полис|рейс|талон|окно|заявк|обращени|квитанц|лицев
        абонент|номер клиента
        подтвержден$|подтвержден:|подтверждена|подтверждено|зарегистрирован|підтверджено|потвърдена
        авторизован
        промокод|штрихкод|штрих-код|код товара|код региона|код города|купон|код скидк|код получени
        код выдач|индекс|qr-код|код заказа|код бронир|номер вашей|киви|id:|версия
        замовлен|посилк|ттн|накладна|рахун|карту|картк|залишок|сума|дзвон|штрих|поръчк|пратк|сметк
        фактур|сума:|обадете|наличност|промо код|баркод|поштенски|пощенски
        рачун|пошиљк|нарачк|наручб|тапсырыс|шот|калдык|буюртма|захиалг|данс|улдэгдэл|утас|заказын
        фармоиш
    """,
    "armenian": "պատվեր|հաշվ|քարտ|մնացորդ|գումար|հեռ",
    "georgian": "შეკვეთ|ანგარიშ|ბარათ|ნაშთ|თანხ|ტელ|ამანათ",
    "hebrew": """
        הזמנ|חבילה|משלוח|חשבון|כרטיס|יתרה|סכום|בסך|טלפון|טל'|חייג|התקשר|קופון|מיקוד|המסתיים|מוקד|אסמכתא
        תור$
    """,
    "arabic": """
        طلب|شحن|حساب|بطاقة|بطاقه|رصيد|مبلغ|اتصل|الاتصال|للاستفسار|هاتف|فاتور|الفاتورة|حجز|رحل|مرجع
        كود خصم|رمز ترويجي|كوبون|رمز بريدي|كود الخصم|المنتهي|تنتهي ب
        سفارش|مرسوله|پیگیری|حساب|کارت|موجودی|مانده|تلفن|تماس|فاکتور|رهگیری|قبض|نوبت|مشتری|پذیرش|کدپستی
        کد پستی|کد تخفیف|کد ملی|کدرهگیری|کد رهگیری|کد سفارش|کد پیگیری|بارکد|کدام|یکدیگر|کدملی|شارژ
        آرڈر|اکاؤنٹ|بیلنس|کارڈ|رابطہ|کال کریں|ہیلپ لائن|پارسل|ڈسکاؤنٹ کوڈ|پوسٹل کوڈ
    """,
    "devanagari": """
        ऑर्डर|खाते|खाता|खात्या|शेष|राशि|कार्ड|कॉल|फोन|संपर्क|पार्सल|बुकिंग|शिल्लक|पिनकोड|पिन कोड|कूपन
        रसीद|टिकट|ब्यालेन्स|प्रोमो
    """,
    "bengali": """
        অর্ডার|অ্যাকাউন্ট|একাউন্ট|ব্যালেন্স|কার্ড|কল করুন|ফোন|টাকা|পার্সেল|ডায়াল|হেল্পলাইন|কুপন|প্রোমো
        পোস্ট কোড
    """,
    "gurmukhi": "ਆਰਡਰ|ਖਾਤੇ|ਬਕਾਇਆ|ਕਾਰਡ|ਕਾਲ|ਫੋਨ",
    "gujarati": "ઓર્ડર|ખાતા|બેલેન્સ|કાર્ડ|કૉલ|ફોન|રકમ",
    "odia": "ଅର୍ଡର|ଖାତା|ବାଲାନ୍ସ|କାର୍ଡ|ଫୋନ",
    "tamil": "ஆர்டர்|கணக்கு|இருப்பு|அட்டை|கார்டு|அழைக்க|தொலைபேசி|தொகை|பார்சல்",
    "telugu": "ఆర్డర్|ఖాతా|బ్యాలెన్స్|కార్డ్|కాల్|ఫోన్|మొత్తం|పార్సెల్",
    "kannada": "ಆರ್ಡರ್|ಖಾತೆ|ಬ್ಯಾಲೆನ್ಸ್|ಕಾರ್ಡ್|ಕರೆ|ಮೊತ್ತ",
    "malayalam": "ഓർഡർ|അക്കൗണ്ട്|ബാലൻസ്|കാർഡ്|വിളിക്ക|തുക",
    "sinhala": "ඇණවුම|ගිණුම|ශේෂය|කාඩ්|අමතන්න|මුදල",
    "thai": """
        คำสั่งซื้อ|ออเดอร์|พัสดุ|บัญชี|บัตร|คงเหลือ|ยอดเงิน|จำนวนเงิน|โทร|ติดต่อ|ref|อ้างอิง|ไปรษณีย์
        ส่วนลด|รหัสสินค้า|รหัสพัสดุ|คูปอง|ใบเสร็จ|คิว|เที่ยวบิน|สอบถาม|รหัสลูกค้า|รหัสจอง
    """,
    "lao": "ບັນຊີ|ຍອດ|ໂທ|ບັດ|ພັດສະດຸ|ສັ່ງຊື້",
    "khmer": "គណនី|សមតុល្យ|ទូរស័ព្ទ|កាត|ទឹកប្រាក់|បញ្ជាទិញ|ទូរសព្ទ",
    "myanmar": "အကောင့်|လက်ကျန်|ဖုန်း|ကတ်|ငွေ|အော်ဒါ|ဆက်သွယ်",
    "ethiopic": "ሂሳብ|ብር$|ስልክ|ካርድ|ትዕዛዝ|ይደውሉ",
    "han": """
        订单|訂單|运单|快递单|单号|工单|案件|申请|申請|單號|尾号|尾號|末四|末4|后四|後四|卡号|卡號|账号|帳號|账户|帳戶|余额
        餘額|金额|金額|电话|電話|致电|致電|客服|热线|熱線|拨打|撥打|联系|聯絡|洽詢|手机|手機|回复|回覆
        流水号|参考号|编号|編號|包裹|航班|车牌|车次|预约号|預約|工号|版本|专线|專線|人工
        二维码|条形码|条码|條碼|优惠码|優惠碼|兑换码|兌換碼|取件码|取件碼|取货码|取貨碼|提货码|邀请码
        邀請碼|折扣码|邮政编码|電話號碼|會員號|电话号码|会员号|号码|號碼|扫码|掃碼|核销码|券码|序号|寄件
        預訂|商品代|产品代|股票代
        期权代|区域代|取餐|取票码|门店|銀行代碼|分行代|繳費代碼|国家代码|股票代码
        末尾|下4桁|下四桁|予約|注文|伝票|お問い合わせ|問合せ|電話|口座|残高|会員|お客様番号|受付番号
        バーコード|qrコード|クーポンコード|クーポン|郵便|追跡|レコード|カード番号|便名
        プロモーションコード|割引コード|紹介コード|商品コード|金融機関コード|引換
    """,
    "hangul": """
        주문|송장|예약|계좌|카드|잔액|누적|금액|문의|고객센터|전화|운송장|접수|우편번호|바코드|쿠폰
        할인코드|할인 코드|추천|끝자리|상담|대표번호|승인번호|고객번호|등기번호|대기|편명|결제|사물함
        보관함
    """,
}

# A word (or the start of one) straight after a number that makes it an amount of something.
UNIT_STEMS = load(
    {
        "any": """
        minut|minuta|minute|min.|second|segund|secon|sekund|sekun|hour|hora|heure|stund|uur|time|timme
        timer|timm|minuit|minuutt|tunti|tunnin|godzin|hodin|godin|sati|sata|perc|masodperc|dakika|saniye
        saat|deqiqe|daqiqa|soat|minit|menit|detik|jam|phut|giay|gio$|dias|days|day$|jours|tage|giorni
        dagen|dager|dagar|paiva|dni|nap|zile|gun$|gun.|ngay|hari|siku|dakik|lepta|mins|hrs|weeks|month
        meses|mois|monat|mesi|maanden|miesi|mesic|luni$|ay$|bulan|thang
        mb|gb|tb|kb|kbps|mbps|km|kg|point|puntos|pontos|punkt|punti|miles|millas|milhas|unit|items|stars
        steps|pcs|people|persons|guests|orang|nguoi|percent|prosent|prozent|ml|cm|mm|gr.|sqft|ppm|wkly
        week|pence
        мин|сек|час|годин|хвил|дн|дней|день|сут|мес|недел|гб|мб|балл|балів|шт|минут|секунд|дана|минот
        соат|кун|күн|төг|км|кг|дена|часа|лет$|год|руб|рубл|процент
        λεπτ|δευτερ|ωρ|ημερ|μερες|πόντ|πόντους
        دقيق|دقائق|ثاني|ثوان|ساعة|ساعات|يوم|ايام|أيام|دقیقه|ثانیه|ساعت|روز|منٹ|گھنٹ|سیکنڈ|دن$|جيجا|گیگ
        نقطة|ميجا|مگابایت
        דקות|דקה|שניות|שעות|שעה|ימים|יום
        मिनट|मिनिट|सेकंड|घंट|दिन|तास|সেকেন্ড|মিনিট|ঘণ্টা|ঘন্টা|দিন|நிமிட|வினாடி|மணி|నిమిష|సెకన్|గంట
        ನಿಮಿಷ|മിനിറ്റ്|മിനിട്ട്|મિનિટ|ਮਿੰਟ|ମିନିଟ|මිනිත්තු|විනාඩි|มินาที|นาที|วินาที|ชั่วโมง|ชม.|วัน
        คะแนน|น.|ນາທີ|នាទី|မိနစ်|စက္ကန့်|နာရီ|ደቂቃ|ሰዓት|წუთ|საათ|როპე|րոպե|վայրկյ|ժամ
        分|秒|小时|小時|天|日|月|年|時|时|号|號|楼|樓|层|次|个|個|人|名|位|件|条|折|积分|點|点|円分
        ポイント|時間|枚|階|回|台|张|張|桁|歳|度|周|週|万|萬|千|亿|億
        분|초|시간|시$|시|일|월|년|개|명|건|회|점|층|번길|포인트|동$|호$|만|천
"""
    }
)["any"]
UNIT_WORDS = frozenset(
    load(
        {
            "any": """
        h|hr|hrs|s|sec|secs|m|min|mins|mn|d|g|gb|mb|kb|st|nd|rd|th|pm|am|uhr|x|p|pp|ppm|t|u|nap|ora|orat
        ore
        oras|c|f|л|ч|м|с|г
"""
        }
    )["any"]
)

CURRENCY_AFTER = load(
    {
        "any": """
        usd|eur|gbp|chf|sek|nok|dkk|pln|czk|huf|ron|bgn|rsd|hrk|try|azn|kzt|uzs|uah|rub|rur|byn|gel|amd
        aed|sar|egp|kwd|qar|omr|bhd|jod|mad|dzd|tnd|ils|nis|irr|pkr|inr|bdt|lkr|npr|thb|vnd|idr|myr|php
        sgd|hkd|twd|cny|rmb|jpy|krw|aud|nzd|cad|mxn|brl|ars|clp|cop|pen|ngn|kes|ghs|tzs|ugx|zar|etb|xof
        xaf|fcfa|cfa|mmk|khr|lak|mnt|mzn|usdt|btc
        euro|dollar|dolar|pound|pund|pesos|soles|reais|real$|kr.|kr$|kroon|kroner|kronor|kronur|zlot|zl
        korun|kc|ft$|ft.|forint|lei|leu|dinar|din.|denar|lek|lira|tl|manat|so'm|sum|tenge|rupiah
        ribu|ringgit|baht|dong|vnd|peso|shilling|naira|rupe|taka|riyal|dirham|birr|ariary|rand$|franc
        frank|eura|eur.|evra|evro
        руб|р.|р$|рубл|грн|гривен|гривн|тг|тенге|тенг|лв|лева|дин|ден|сом|сум|манат|төгрөг|тогрог|евро|долл
        коп|сомони|теңге|ευρω|լարի|դրամ|ლარ
        ريال|دينار|درهم|جنيه|ليرة|دولار|تومان|ریال|روپے|روپیہ|د.إ|ر.س|ج.م|ש"ח|שח|שקל
        रुपय|रु|रू|টাকা|ரூபா|రూపా|रुपये|บาท|ກີບ|រៀល|ដុល្លារ|ကျပ်|ብር
        元|圆|块|円|원|角|港币|美元|歐元|ドル|ウォン
"""
    }
)["any"]
CURRENCY_BEFORE = load(
    {
        "any": """
        $|€|£|¥|₹|₽|₴|₺|₸|₫|₩|₦|₱|฿|৳|₪|₼|₾|֏|៛|₭|₮|₡|₲|₵|﷼|rs|rs.|inr|usd|eur|gbp|chf|sek|nok|dkk|pln
        czk|huf|ron|aed|sar|egp|kwd|qar|omr|bhd|jod|mad|ksh|kes|tsh|tzs|ugx|ugs|ngn|ghs|zar|rp|rp.|idr
        rm|myr|php|thb|vnd|nt|hk|twd|hkd|cny|rmb|jpy|krw|aud|cad|brl|mxn|ars|clp|cop|pkr|bdt|lkr|npr|tk
        tk.|mmk|etb|uzs|kzt|uah|rub|tl|azn|eur.|kr|kr.|ر.س|sr|qr|bd|dhs|dh|ر.ق|रु|रु.|रू.|रू|₨|ரூ.
        ரூ|రూ.|రూ|રૂ.|રૂ|৳.|টাকা|ብር|birr|ريال|درهم|جنيه|מחיר|人民币|fcfa|so'm
"""
    }
)["any"]

LABELS = load(_LABELS)
# What marks a message about discounts; letters-and-digits codes in it are coupons.
DISCOUNTS = load(
    {
        "any": """
        %| off|discount|descuento|desconto|rabatt|remise|sconto|korting|скидк|знижк|indirim|diskon
        giam gia
        优惠|優惠|割引|할인|ส่วนลด|خصم|تخفیف|promo
"""
    }
)["any"]
