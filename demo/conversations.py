"""The conversations of the demo, by theme and language.

A line begins with ``v:`` (visitor) or ``o:`` (operator). ``{order}``, ``{first}``, ``{email}``,
``{phone}``, ``{day}`` and ``{amount}`` are replaced. The last line, ``=``, is the operator's
result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Script:
    """One conversation: (``v`` or ``o``, text) in order, and its result."""

    lines: tuple[tuple[str, str], ...]
    result: str


_SHOP = {
    "en": """
v: Hi, where is my order {order}? It should have come on {day}.
o: Hello {first}, let me have a look.
o: The parcel left our warehouse this morning. The courier will be at your place tomorrow between 9 and 12.
v: Great. Can the driver call me first? My number is {phone}.
o: I have added it to the delivery note. Anything else I can do for you?
v: No, that's all. Thanks!
= Resolved

v: Hello, I'd like to return a lamp from order {order}. It is smaller than I thought.
o: Hello, of course. You have 30 days from delivery and we pay the return postage.
v: How do I get the label?
o: I'm sending it to {email} right now. Please drop the parcel at any pick-up point.
v: Got it. When do I get the money back?
o: Within five working days after the parcel is here: {amount} to the card you paid with.
v: Perfect, thank you.
= Return announced

v: Do you have the oak table in 160 cm?
o: Good morning! Yes, 160 and 180 cm are in stock.
v: And does it fit six people?
o: Six comfortably; for eight I would take the 180.
v: I'll order the 160 then.
= Order placed

v: The invoice for {order} has the wrong company name on it.
o: I'm sorry about that. What should it say?
v: Please see the attached file. And send it to {email}.
o: Corrected, the new invoice is on its way to you.
v: That was quick. Thanks, have a nice day.
= Invoice corrected

v: I can't pay by card, the page says "declined" again and again.
o: I'm sorry, {first}. Does your bank ask you to confirm the payment in its app?
v: Oh. Yes, it was waiting there...
o: Please try once more, the basket is still reserved for you.
v: It went through!
= Resolved

v: A glass from order {order} came broken. I attach a picture.
o: Oh no, I'm sorry. I will send you a new one today, free of charge.
v: Do you need the broken one back?
o: No, please throw it away carefully.
= Complaint settled
""",
    "cs": """
v: Dobrý den, kde je moje objednávka {order}? Měla přijít už {day}.
o: Dobrý den, podívám se na to.
o: Zásilka dnes ráno opustila sklad, dopravce u Vás bude zítra mezi 9. a 12. hodinou.
v: Super. Může mi řidič předem zavolat? Číslo je {phone}.
o: Číslo je připsané k zásilce. Mohu pro Vás udělat ještě něco?
v: To je vše, děkuji.
= Vyřízeno

v: Dobrý den, dá se vrátit lampa z objednávky {order}? Je menší, než vypadala.
o: Dobrý den, samozřejmě. Na vrácení máte 30 dní a poštovné platíme my.
v: A kde najdu štítek?
o: Už je na cestě na {email}. Balík stačí odevzdat na kterékoli výdejně.
v: Mám ho. Kdy mi přijdou peníze?
o: Do pěti pracovních dnů od doručení, {amount} zpátky na Vaši kartu.
v: Výborně, děkuji moc.
= Vrácení přijato

v: Máte dubový stůl 160 cm?
o: Dobrý den! Ano, skladem jsou rozměry 160 i 180 cm.
v: Vejde se k němu šest lidí?
o: Šest pohodlně, pro osm je lepší 180.
v: Tak objednám ten menší.
= Objednáno

v: Na faktuře k {order} je špatné IČO.
o: To mě mrzí. Jaké tam má být?
v: Je v přiloženém souboru. Pošlete ji prosím na {email}.
o: Opraveno, nová faktura je na cestě.
v: To bylo rychlé, díky a hezký den.
= Faktura opravena

v: Nejde mi zaplatit kartou, pořád to píše „zamítnuto“.
o: To mě mrzí. Nečeká platba na potvrzení v aplikaci banky?
v: Aha, čeká…
o: Zkuste to prosím ještě jednou, košík pro Vás držíme.
v: Už to prošlo!
= Vyřízeno

v: Sklenice z objednávky {order} dorazila rozbitá, posílám fotku.
o: To je mi líto. Novou Vám dnes pošleme zdarma.
v: Mám tu rozbitou vracet?
o: Není potřeba, jen ji prosím opatrně vyhoďte.
v: Děkuji za vstřícnost.
= Reklamace uznána

v: Dobrý den, vozíte nábytek až do Zlína?
o: Dobrý den, vozíme po celé republice, do Zlína ve středu a v pátek.
v: A výnos do třetího patra bez výtahu?
o: Ano, za {amount}. Stačí zaškrtnout v košíku.
= Dotaz zodpovězen
""",
    "de": """
v: Guten Tag, wann kommt meine Bestellung {order}?
o: Guten Tag, ich sehe gleich nach.
o: Das Paket ist unterwegs und sollte {day} bei Ihnen sein.
v: Vielen Dank!
= Erledigt

v: Kann ich die Lampe aus der Bestellung {order} zurückgeben?
o: Selbstverständlich, innerhalb von 30 Tagen. Das Etikett geht an {email}.
v: Wunderbar, danke.
= Rückgabe
""",
    "sk": """
v: Dobrý deň, kedy príde moja objednávka {order}?
o: Dobrý deň, hneď sa pozriem.
o: Zásielka je na ceste, kuriér ju doručí zajtra dopoludnia.
v: Ďakujem pekne.
= Vybavené

v: Dá sa tovar z {order} vymeniť za inú farbu?
o: Áno, do 30 dní. Štítok Vám posielam na {email}.
v: Super, ďakujem.
= Výmena
""",
}

_HELPDESK = {
    "en": """
v: I can't log in since this morning, it says my account is locked.
o: Hello, the account locks after five wrong passwords. I have unlocked it.
v: It works again, thank you!
= Account unlocked

v: The printer on the second floor prints empty pages.
o: Thanks for telling us. Which one, the left or the right?
v: The left one, next to the kitchen.
o: A new toner will be there in an hour. Please use the right one until then.
= Ticket for the workshop

v: How do I get the VPN on a new laptop?
o: Please install the company portal, the VPN is listed there under "Network".
v: Found it. It asks for a code?
o: That is the code from your authenticator app, six digits.
v: Connected. Thanks!
= Resolved

v: I need a licence of the drawing program for a new colleague.
o: Who approves it for your department?
v: My manager does, the approval is attached.
o: Assigned. It appears after the next login.
= Licence assigned

v: My calendar shows all meetings one hour late.
o: Let's look at the time zone: Settings, then "Language and time".
v: It was set to London. Sorry!
o: No problem at all.
= Resolved
""",
    "cs": """
v: Od rána se nemůžu přihlásit, prý mám zamčený účet.
o: Dobrý den, po pěti špatných heslech se účet zamkne. Už je odemčený.
v: Už to jde, díky!
= Účet odemčen

v: Tiskárna v druhém patře tiskne prázdné stránky.
o: Děkuji za zprávu. Ta vlevo, nebo vpravo?
v: Vlevo, vedle kuchyňky.
o: Do hodiny tam bude nový toner. Zatím prosím použijte tu vpravo.
= Předáno servisu

v: Jak dostanu VPN na nový notebook?
o: Nainstalujte si prosím firemní portál, VPN je tam pod „Síť“.
v: Mám. Chce to po mně kód?
o: To je šestimístný kód z ověřovací aplikace.
v: Už to běží, děkuji.
= Vyřízeno

v: Potřebuju licenci na kreslicí program pro novou kolegyni.
o: Kdo to u Vás schvaluje?
v: Vedoucí, schválení přikládám.
o: Přiděleno, objeví se po dalším přihlášení.
= Licence přidělena

v: Kalendář mi ukazuje schůzky o hodinu později.
o: Podíváme se na časové pásmo: Nastavení, pak „Jazyk a čas“.
v: Byl tam Londýn. Pardon!
o: Vůbec nic se nestalo.
= Vyřízeno

v: Nejde mi uložit tabulka, hlásí to chybu. Posílám přesný text.
o: Děkuji. Disk oddělení byl plný, teď má o 50 GB víc.
v: Už se to uložilo.
= Rozšířen disk
""",
}

_SHOWROOM = {
    "en": """
v: Hello! We'd like to see the walnut kitchen from the catalogue.
o: Welcome {first}, I'm turning the camera to it. This is the front in oiled walnut.
v: Can you open the drawers?
o: Of course. They close by themselves, full extension.
o: The whole set as you see it is {amount}, delivery to your city included.
v: We'll measure the wall and call again.
= Offer sent

v: Which sofa is better with two dogs?
o: This fabric here: it can be washed at 60 degrees. I'll hold a sample to the camera.
v: That's the one. Can you send samples?
o: They go out today. The offer comes to {email}.
= Samples sent

v: I have a floor plan, may I share it?
o: Please attach it, I will draw the cupboards into it while we talk.
v: Attached.
o: Thank you. I suggest the island in the middle, 90 cm on all sides.
= Plan made
""",
    "de": """
v: Grüß Gott, wir würden gern die Küche in Nuss sehen.
o: Willkommen! Ich drehe die Kamera dorthin. Die Front ist geölte Nuss.
v: Und die Arbeitsplatte?
o: Granit, drei Zentimeter. Alles zusammen {amount}, Lieferung inbegriffen.
v: Bitte schicken Sie das Angebot an {email}.
= Angebot gesendet

v: Welches Sofa empfehlen Sie bei zwei Hunden?
o: Diesen Stoff hier, bei 60 Grad waschbar.
v: Können Sie uns Muster schicken?
o: Sie gehen heute noch hinaus.
= Muster gesendet

v: Ich hätte einen Grundriss, darf ich ihn anhängen?
o: Sehr gern, ich zeichne die Schränke gleich ein.
v: Hier ist er.
= Plan erstellt
""",
    "cs": """
v: Dobrý den, rádi bychom viděli ořechovou kuchyň z katalogu.
o: Vítejte, otáčím na ni kameru. Toto je čelo z olejovaného ořechu.
v: Můžete otevřít zásuvky?
o: Jistě, mají tlumené dovírání a plný výsuv.
o: Celá sestava, jak ji vidíte, stojí {amount} i s dopravou.
v: Přeměříme stěnu a ozveme se.
= Nabídka odeslána

v: Máme půdorys, můžu ho poslat?
o: Prosím, skříňky do něj zakreslím rovnou při hovoru.
v: Přikládám.
o: Děkuji. Navrhuji ostrůvek doprostřed, 90 cm ze všech stran.
= Návrh hotov
""",
}

THEMES = {"shop": _SHOP, "helpdesk": _HELPDESK, "showroom": _SHOWROOM}

NOTES = {
    "en": ["Called back, all clear.", "Regular customer, prefers e-mail.", "Asked for a discount next time.",
           "Speaks fast, wants short answers.", "Promised an answer by Friday."],
    "cs": ["Zavoláno zpět, vše v pořádku.", "Stálý zákazník, raději psát e-mail.", "Příště chce slevu.",
           "Slíbena odpověď do pátku.", "Předáno vedoucí směny."],
    "de": ["Rückruf erledigt.", "Lieber per E-Mail."],
    "sk": ["Zavolané späť.", "Chce faktúru na firmu."],
}  # fmt: skip
FEEDBACK = {
    "en": [
        "Quick and friendly.",
        "Had to wait a bit, but it was solved.",
        "Excellent!",
        "I expected a faster answer.",
    ],
    "cs": [
        "Rychlé a milé.",
        "Chvíli to trvalo, ale pomohli.",
        "Skvělé!",
        "Odpověď mohla být rychlejší.",
    ],
    "de": ["Sehr freundlich.", "Schnell geholfen."],
    "sk": ["Rýchle a milé.", "Všetko v poriadku."],
}
DAYS = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    "cs": ["v pondělí", "v úterý", "ve středu", "ve čtvrtek", "v pátek"],
    "de": ["am Montag", "am Dienstag", "am Mittwoch", "am Freitag"],
    "sk": ["v pondelok", "v utorok", "v stredu", "v piatok"],
}


@cache
def scripts(theme: str, language: str) -> tuple[Script, ...]:
    """Return the conversations of a theme in a language."""
    return tuple(_script(block) for block in THEMES[theme][language].strip().split("\n\n"))


def _script(block: str) -> Script:
    *lines, result = block.splitlines()
    return Script(
        lines=tuple((who, text) for who, _, text in (line.partition(": ") for line in lines)),
        result=result.removeprefix("= "),
    )
