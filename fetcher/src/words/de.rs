//! German.

use anode_bundle::ExitCode;
use anode_bundle::pack::PromptType;

use super::Words;
use super::pages::{MediumWords, Page};

/// What an answer has to be.
pub(super) fn rule(kind: PromptType) -> Option<&'static str> {
    Some(match kind {
        PromptType::Hostname => {
            "nötig sind 1 bis 63 Zeichen `a-z 0-9 -`, Punkte zwischen den Teilen, kein `-` am Anfang oder Ende eines Teils"
        }
        PromptType::Username => {
            "nötig sind 1 bis 32 Zeichen `a-z 0-9 _ -`, vorn ein Buchstabe, und kein Name, den jedes System schon hat"
        }
        PromptType::FullName => "nötig sind 1 bis 128 Buchstaben, Ziffern, Leerzeichen, `.` oder `-`",
        PromptType::Password => "nötig sind 1 bis 256 Bytes ohne Steuerzeichen",
        PromptType::Passphrase => {
            "nötig sind 8 bis 128 Zeichen `a-z A-Z 0-9 . _ @ + / : -` oder Leerzeichen, diese nicht am Anfang oder Ende"
        }
        PromptType::Disk => "nötig ist ein Gerät wie `/dev/sda`",
        PromptType::Language => "nötig ist eine Locale wie `de_DE.UTF-8`",
        PromptType::Keyboard => "nötig ist eine Tastaturbelegung wie `de`",
        PromptType::Number => "nötig ist eine ganze Zahl von {min} bis {max}",
        PromptType::Text => "nötig sind 1 bis 128 Buchstaben, Ziffern, Leerzeichen oder `. _ @ + / : -`",
        // Chosen from a list.
        PromptType::Choice => return None,
    })
}

/// What introduces the details of a failure.
pub(super) const DETAILS: &str = "Einzelheiten (englisch):";

pub(super) const WORDS: Words = Words {
    code: "Aktivierungscode",
    code_wrong: "Das ist kein Code: Er {problem}. Nichts wurde gesendet. Bitte erneut eingeben.",
    code_foreign: "enthält an Stelle {position} das Zeichen `{character}`, das in keinem Code vorkommt",
    code_length: "hat {found} Zeichen; ein Code hat 16 oder 20",
    code_checksum: "enthält ein falsches oder vertauschtes Zeichen; bitte mit dem Zettel vergleichen",
    today: "Die Uhr dieses Rechners steht. Das neueste signierte Datum der Site ist {date}.\nWelcher Tag ist heute? (JJJJ-MM-TT, Eingabetaste: unbekannt)",
    today_wrong: "Ein Datum sieht so aus: 2026-11-30.",
    code_for: "Dieser Code gilt für {organisation}.",
    profiles: "Dieser Code bietet an:",
    choose: "Nummer oder Name",
    choose_more: "Nummer oder Name, Eingabetaste für mehr",
    choose_wrong: "Bitte eine der Nummern oder einen der Namen oben eingeben.",
    required: "Hier ist eine Antwort nötig.",
    invalid: "Die Antwort passt nicht: {problem}.",
    again: "Noch einmal",
    again_wrong: "Die beiden Eingaben sind verschieden. Bitte beide wiederholen.",
    removable: "wechselbar",
    summary: "Bereit:",
    site: "Site",
    organisation: "Organisation",
    profile: "Profil",
    installer: "Installation",
    release: "Release",
    memory: "der Speicher dieses Computers",
    folder: "Ziel",
    staged: "Der Computer startet neu, in die Installation. Bis dieses Medium wieder gestartet wird, liegen die Antworten lesbar im Ziel, auch Passwörter.",
    perhaps_staged: "Nimmt dieser Computer den Kernel der Installation nicht an, startet er neu, in die Installation. Bis dieses Medium wieder gestartet wird, liegen die Antworten dann lesbar in {place}, auch Passwörter.",
    unpinned: "Vorsicht: Die Installation lädt Teile nach, die nicht festgelegt sind: {how}",
    left_address: "Die Installation fragt per DHCP nach einer Adresse: Die hier festgelegte wird nicht übergeben.",
    left_servers: "Die hier festgelegten Nameserver werden der Installation nicht übergeben.",
    left_vlan: "Die Installation fragt per DHCP, ohne VLAN: Was hier festgelegt ist, wird nicht übergeben.",
    left_interface: "Die Installation wählt ihre Netzwerkkarte selbst: Die dieses Mediums wird nicht übergeben.",
    left_proxy: "Die Installation nimmt von sich aus keinen Proxy: Der hier festgelegte wird nicht übergeben.",
    left_wireless: "Die Installation braucht ein Kabel: Ein WLAN wird nicht übergeben.",
    own_network: "Das Netzwerk der Installation legt das Profil fest; was hier festgelegt ist, wird nicht übergeben.",
    own_proxy: "Den Proxy der Installation legt das Profil fest; der hier festgelegte wird nicht übergeben.",
    hidden: "(nicht angezeigt)",
    confirm: "Fortfahren? (ja/nein)",
    yes: "ja",
    no: "nein",
    yes_or_no: "Bitte `ja` oder `nein` eingeben.",
    done: "{count} Dateien liegen in {folder}",
    new_root: "Das Root-Dokument der Site hat jetzt Version {version}.",
    current: "Release {release} vom {date}, {source}.",
    from_mirror: "von {address}",
    from_state: "schon von vorher bekannt",
    from_copy: "aus der Kopie auf dem Medium",
    offline: "Kein Spiegel antwortet: Es gilt die Kopie vom {date}, brauchbar bis {until}.",
    deriving: "Der Schlüssel des Codes wird berechnet; das dauert einen Moment.",
    warning: "Warnung: {text}",
    hostname: "Name des Rechners",
    username: "Benutzername",
    full_name: "Voller Name",
    password: "Passwort",
    passphrase: "Passphrase der Festplatte",
    disk: "Festplatte, die gelöscht wird",
    language: "Sprache",
    code_right: "richtig",
    code_wrong_yet: "falsch, falls nicht 4 weitere folgen",
    code_wrong_now: "falsch",
    disk_empty: "leer",
    disk_unknown: "unbekannte Daten",
    disk_unreadable: "Inhalt nicht lesbar",
    erased: "ALLES AUF DIESER FESTPLATTE WIRD GELÖSCHT:",
    erased_unnamed: "Das Profil bestimmt die Festplatte, die gelöscht wird. Dieser Rechner hat:",
    erased_unknown: "Diese Festplatte wurde an diesem Rechner nicht gefunden:",
    confirm_erase: "Löschen und installieren? (ja/nein)",
    keyboard: "Tastaturbelegung",
};

pub(super) const MEDIUM: MediumWords = MediumWords {
    welcome: "Anode-Startmedium",
    built: "Medium vom {date}",
    shell_offered: "`anode.shell` ist gesetzt: Wer hier sitzt, kann eine Shell öffnen.",
    keyboard: "Tastaturbelegung",
    keyboard_unknown: "Die Belegung `{name}` gibt es auf diesem Medium nicht.",
    number: "Nummer",
    number_wrong: "Bitte eine der Nummern oben eingeben.",
    yes_or_no: "Bitte `ja` oder `nein` eingeben.",
    yes: "ja",
    no: "nein",
    searching: "Das Medium wird gesucht.",
    network: "Einstellungen des Netzwerks",
    network_wait: "Warten auf das Netzwerk.",
    network_none: "Kein Netzwerk. Bitte das Kabel prüfen und erneut versuchen oder einen anderen Weg wählen.",
    no_interface: "keine Netzwerkkarte, für die dieses Medium einen Treiber hat",
    no_link: "keine Verbindung: Kabel oder Switch?",
    asking: "verbunden, fragt nach einer Adresse",
    no_answer: "verbunden, aber kein DHCP-Server antwortet",
    ready: "bereit, Adresse {detail}",
    bad_address: "die Adresse `{detail}` ist nicht brauchbar",
    bad_gateway: "das Gateway `{detail}` ist nicht erreichbar",
    bad_vlan: "`{detail}` ist kein VLAN",
    no_firmware: "braucht Firmware {detail}: Medium mit --firmware nehmen",
    no_firmware_here: "braucht Firmware {detail}, die dieses Medium nicht hat",
    no_start: "lässt sich nicht einschalten; das Protokoll sagt, warum",
    wireless_card: "eine WLAN-Karte: ein Medium mit --firmware verwenden",
    go_on: "Weiter",
    again: "Noch einmal versuchen",
    network_again: "Netzwerk: noch einmal versuchen",
    address: "Netzwerk: Adresse festlegen",
    vlan: "Netzwerk: VLAN festlegen",
    proxy: "Netzwerk: Proxy festlegen",
    wireless: "Netzwerk: mit einem WLAN verbinden",
    copy: "Weiter mit der Kopie auf dem Medium",
    show_log: "Das Protokoll lesen",
    write_log: "Das Protokoll auf den Stick schreiben",
    restart: "Den Rechner neu starten",
    power_off: "Ausschalten",
    shell: "Shell",
    other_code: "Weiter mit einem anderen Code",
    code_known: "Der eingegebene Code ist noch bekannt, bis 5 Minuten lang niemand etwas eingibt.",
    code_forgotten: "5 Minuten lang hat niemand etwas eingegeben: Der Code ist vergessen.",
    which_interface: "Netzwerkkarte (Eingabetaste: jede, die verbunden ist)",
    ask_address: "Adresse mit Präfix, etwa 192.0.2.10/24 (Eingabetaste: über DHCP)",
    ask_gateway: "Gateway (Eingabetaste: keines)",
    ask_servers: "Nameserver, mit Leerzeichen dazwischen (Eingabetaste: keine)",
    ask_vlan: "VLAN, 1 bis 4094 (Eingabetaste: keines)",
    ask_proxy: "Proxy, etwa http://192.0.2.1:3128 (Eingabetaste: keiner)",
    ask_wireless: "Nummer oder Name des WLAN (Eingabetaste: zurück)",
    ask_passphrase: "Passphrase (nicht angezeigt; Eingabetaste: zurück)",
    ask_passphrase_or_none: "Passphrase (nicht angezeigt; Eingabetaste: keine)",
    wrong_address: "Eine Adresse sieht so aus: 192.0.2.10/24.",
    wrong_gateway: "Das ist keine Adresse.",
    wrong_vlan: "Ein VLAN ist eine Zahl von 1 bis 4094.",
    wrong_proxy: "Ein Proxy sieht so aus: http://192.0.2.1:3128.",
    wrong_passphrase: "Eine Passphrase hat 8 bis 63 ASCII-Zeichen.",
    wireless_looking: "WLAN werden gesucht.",
    wireless_none: "Kein WLAN nennt hier seinen Namen. Ein verborgenes lässt sich eintippen.",
    wireless_open: "offen: jeder kann mithören",
    wireless_other: "mit diesem Medium nicht möglich",
    wireless_joining: "Verbindung mit `{name}`.",
    wireless_refused: "Das WLAN weist diese Passphrase zurück.",
    wireless_absent: "Ein WLAN mit diesem Namen gibt es hier nicht.",
    wireless_failed: "Die Verbindung mit dem WLAN gelang nicht; das Protokoll sagt, warum.",
    error: "Fehler {number}  {name}",
    to_do: "Was zu tun ist: {remedy}",
    retry: "Neuer Versuch in {time}. Beliebige Taste: Menü.",
    any_key: "Beliebige Taste: Menü.",
    copy_waits: "Ist binnen {time} kein Netzwerk da, gilt die Kopie der Site auf dem Medium.",
    copy_taken: "Kein Netzwerk: Weiter mit der Kopie der Site auf dem Medium.",
    copy_useless: "Mit der Kopie auf dem Medium ging es nicht. Die nächsten Versuche warten auf ein Netzwerk.",
    more: "Eingabetaste für mehr, q für zurück",
    log_written: "Das Protokoll liegt auf dem Stick: anode-log.txt",
    log_not_written: "Das Protokoll lässt sich nicht schreiben: Das Medium ist schreibgeschützt oder kein Stick.",
    done_before: "Dieses Medium hat diesen Rechner schon installiert: {when}, Profil {profile}.",
    again_question: "Noch einmal installieren? Dabei kann die Festplatte gelöscht werden. (ja/nein) [nein]",
    not_remembered: "Dieses Medium kann sich nicht merken, was es getan hat. Bleibt es im Rechner, kann er beim nächsten Start erneut installiert werden.",
    start_question: "Die unbeaufsichtigte Installation des Profils {profile} starten? (ja/nein) [nein]",
    starting: "Die Installation startet.",
    starting_anew: "Der Rechner startet neu, in die Installation. Bitte den Stick stecken lassen.",
    not_next: "Der Firmware ließ sich nicht sagen, dass sie die Installation starten soll: {problem}.",
    twins: "Zwei Datenträger dieses Rechners tragen dieses Medium ({disks}). Auf keinen wird geschrieben, keine Installation wird bereitgelegt, und vor einer unbeaufsichtigten wird gefragt. Bitte den überzähligen entfernen.",
    unstaged: "Eine Installation, die auf diesem Stick bereitlag, ist mit ihren Antworten von ihm entfernt.",
    not_unstaged: "Auf diesem Stick liegt eine Installation bereit, mit lesbaren Antworten, und ließ sich nicht entfernen: Bitte den Stick löschen.",
    not_started: "Der Rechner hat das nicht getan. Das Protokoll sagt, warum.",
    rest: "Nichts wurde installiert. Wie weiter?",
    shell_leave: "`exit` führt hierher zurück.",
    address_refused: "`{word}` wird ausgelassen: Das ist keine Adresse eines Spiegels (https://) oder Proxys.",
    killed: "Der Kernel hat das Programm beendet: Wahrscheinlich hat dieser Rechner zu wenig Speicher dafür.",
    other_copy: "Mit der erneuerten Kopie auf dem Stick ging es nicht: noch einmal mit der Kopie, die mit dem Medium kam.",
};

pub(super) fn page(exit: ExitCode) -> Page {
    let (title, remedy) = match exit {
        ExitCode::Done => ("Fertig", "Alles ist in Ordnung."),
        ExitCode::Usage => (
            "Das Medium hat sein eigenes Programm falsch aufgerufen, oder die Wahl ist nicht eindeutig",
            "Noch einmal versuchen und auf dem Bildschirm wählen. Bleibt es dabei: den Betreiber verständigen, das Medium ist fehlerhaft.",
        ),
        ExitCode::Declined => (
            "Auf Wunsch angehalten; nichts wurde geschrieben",
            "Noch einmal versuchen, wenn alles bereit ist, oder ausschalten.",
        ),
        ExitCode::CodeMalformed => (
            "Das ist kein Code; nichts wurde gesendet",
            "Zeichen für Zeichen mit dem Zettel vergleichen und erneut eingeben. I, L, O, U und Z kommen in keinem Code vor.",
        ),
        ExitCode::CodeUnknown => (
            "Die Site kennt diesen Code nicht, oder er wurde widerrufen",
            "Prüfen, ob Zettel, Site und Medium zusammengehören. Wenn ja: den Betreiber um einen neuen Code bitten.",
        ),
        ExitCode::CodeNotValid => (
            "Der Code gilt jetzt nicht: zu früh, zu spät oder verbraucht",
            "Das Datum des Rechners im Firmware-Setup prüfen. Stimmt es: den Betreiber um einen neuen Code bitten.",
        ),
        ExitCode::HardwareMismatch => (
            "Der Code gehört zu einem anderen Rechner",
            "Ihn auf dem Rechner benutzen, für den er gemacht wurde, oder um einen Code für diesen bitten.",
        ),
        ExitCode::ProfileUnknown => {
            ("Der Code bietet dieses Profil nicht an", "Noch einmal versuchen und aus der Liste wählen.")
        }
        ExitCode::AnswerInvalid => (
            "Eine Antwort passt nicht zu ihrer Frage oder fehlt",
            "Die Zeilen oben sagen, welche und was passt. Noch einmal versuchen.",
        ),
        ExitCode::SignatureInvalid => (
            "Eine Signatur ist falsch; nichts davon wurde benutzt",
            "Hier aufhören und den Betreiber verständigen. Jemand hat die Dateien verändert, oder das Medium gehört zu einer anderen Site.",
        ),
        ExitCode::MetadataExpired => (
            "Das neueste signierte Dokument der Site ist zu alt",
            "Das Datum des Rechners im Firmware-Setup prüfen. Stimmt es, muss der Betreiber die Site erneuern.",
        ),
        ExitCode::Rollback => (
            "Die Site zeigt einen älteren Stand, als dieses Medium schon kennt",
            "Ein Spiegel hinkt nach oder spielt alte Daten ab. Später noch einmal versuchen oder den Betreiber verständigen.",
        ),
        ExitCode::Integrity => (
            "Eine Datei ist nicht die, die die Site signiert hat; sie wurde nicht benutzt",
            "Noch einmal versuchen, vielleicht wurde sie unterwegs beschädigt. Bleibt es dabei: den Betreiber verständigen.",
        ),
        ExitCode::WrongDocument => (
            "Unter der Adresse liegen Dokumente einer anderen Site",
            "Prüfen, ob das Medium zur eigenen Site gehört; der Betreiber prüft ihre Adresse.",
        ),
        ExitCode::UnsealFailed => (
            "Eine versiegelte Datei lässt sich nicht öffnen: ein Fehler beim Veröffentlichen",
            "Den Betreiber verständigen: Die Site muss neu gebaut und veröffentlicht werden.",
        ),
        ExitCode::Clock => {
            ("Die Uhr des Rechners kann nicht stimmen", "Datum und Uhrzeit im Firmware-Setup stellen und neu starten.")
        }
        ExitCode::TooNew => ("Dieses Medium ist zu alt für die Site", "Den Betreiber um ein neues Medium bitten."),
        ExitCode::Unreachable => (
            "Kein Server der Site antwortet, und es gibt keine brauchbare Kopie",
            "Kabel und Einstellungen des Netzwerks prüfen. Wird ein Proxy oder ein VLAN gebraucht?",
        ),
        ExitCode::Tls => (
            "Das Zertifikat des Servers wurde nicht angenommen",
            "Das Datum des Rechners prüfen. Netze, die verschlüsselte Verbindungen öffnen, funktionieren nicht; den Betreiber verständigen.",
        ),
        ExitCode::TooSlow => (
            "Die Verbindung ist zu langsam oder steht still",
            "Ein Kabel oder ein anderes Netz benutzen und noch einmal versuchen.",
        ),
        ExitCode::NotASite => (
            "Es antwortet etwas anderes als die Site, etwa eine Anmeldeseite des Netzes",
            "Das Netz mit einem anderen Gerät freischalten oder den Proxy festlegen. Der Betreiber prüft die Adresse, und ob der Server ein Zertifikat verlangt.",
        ),
        ExitCode::HandOver => (
            "Alles ist geprüft, aber die Installation ließ sich nicht laden",
            "Die Zeilen oben nennen den Schritt und was zu tun ist. Hilft es nicht, bitte dem Betreiber mitteilen; im Protokoll steht alles.",
        ),
        ExitCode::Io => (
            "Eine Datei auf diesem Rechner lässt sich nicht lesen oder schreiben",
            "Die Zeilen oben nennen sie. Steckt der Stick noch? Den Rechner neu starten.",
        ),
        ExitCode::Internal => (
            "Ein Fehler in diesem Medium",
            "Bitte das Protokoll auf den Stick schreiben und dem Betreiber schicken. Der Code steht nicht darin.",
        ),
    };
    Page { title, remedy }
}
