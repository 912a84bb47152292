//! English.

use anode_bundle::ExitCode;

use super::Words;
use super::pages::{MediumWords, Page};

pub(super) const WORDS: Words = Words {
    code: "Activation code",
    code_wrong: "That is not a code: it {problem}. Nothing was sent. Please type it again.",
    code_foreign: "has the character `{character}` at position {position}, which no code has",
    code_length: "has {found} symbols; a code has 16 or 20",
    code_checksum: "has a wrong or swapped symbol; compare it with the slip",
    today: "This machine's clock has stopped. The newest date that the site signed is {date}.\nWhat day is it today? (YYYY-MM-DD, Enter if you do not know)",
    today_wrong: "A date looks like 2026-11-30.",
    code_for: "This code is for {organisation}.",
    profiles: "This code offers:",
    choose: "Number or name",
    choose_more: "Number or name, Enter for more",
    choose_wrong: "Please type one of the numbers or names above.",
    required: "An answer is needed.",
    invalid: "The answer {problem}.",
    again: "Once more",
    again_wrong: "The two are different. Please type both again.",
    removable: "removable",
    summary: "Ready:",
    site: "Site",
    organisation: "Organisation",
    profile: "Profile",
    installer: "Installer",
    release: "Release",
    memory: "the memory of this computer",
    folder: "Target",
    staged: "The machine will start anew, into the installer. Until this medium is started again, the answers lie in the target in readable form, passwords among them.",
    unpinned: "Careful: the installer fetches parts that are not pinned: {how}",
    hidden: "(not shown)",
    confirm: "Go ahead? (yes/no)",
    yes: "yes",
    no: "no",
    yes_or_no: "Please type `yes` or `no`.",
    done: "{count} files are in {folder}",
    new_root: "The site's root document has version {version} now.",
    current: "Release {release} of {date}, from {source}.",
    offline: "No mirror answers: using the copy of {date}, good until {until}.",
    deriving: "Computing the key of the code; this takes a moment.",
    warning: "warning: {text}",
    hostname: "Name of the computer",
    username: "User name",
    full_name: "Full name",
    password: "Password",
    passphrase: "Passphrase of the disk",
    disk: "Disk that is erased",
    language: "Language",
    code_right: "right",
    code_wrong_yet: "wrong, unless 4 more follow",
    code_wrong_now: "wrong",
    disk_empty: "empty",
    disk_unknown: "unknown data",
    disk_unreadable: "contents not readable",
    erased: "EVERYTHING ON THIS DISK WILL BE ERASED:",
    erased_unnamed: "The profile names the disk that will be erased. This machine has:",
    erased_unknown: "This disk was not found on this machine:",
    confirm_erase: "Erase and install? (yes/no)",
    keyboard: "Keyboard layout",
};

pub(super) const MEDIUM: MediumWords = MediumWords {
    welcome: "Anode boot medium",
    built: "Medium of {date}",
    shell_offered: "`anode.shell` is set: whoever sits here can open a shell.",
    keyboard: "Keyboard layout",
    keyboard_unknown: "There is no layout `{name}` on this medium.",
    number: "Number",
    number_wrong: "Please type one of the numbers above.",
    yes_or_no: "Please type `yes` or `no`.",
    yes: "yes",
    no: "no",
    searching: "Looking for the medium.",
    network: "Network settings",
    network_wait: "Waiting for the network.",
    network_none: "No network. Check the cable, then try again; or choose another way.",
    no_interface: "no network interface that this medium has a driver for",
    no_link: "no link: cable or switch?",
    asking: "link, asking for an address",
    no_answer: "link, but no DHCP server answers",
    ready: "ready, address {detail}",
    bad_address: "the address `{detail}` can not be used",
    bad_gateway: "the gateway `{detail}` can not be reached",
    bad_vlan: "`{detail}` is no VLAN",
    go_on: "Go on",
    again: "Try again",
    network_again: "Network: try again",
    address: "Network: set an address",
    vlan: "Network: set a VLAN",
    proxy: "Network: set a proxy",
    wireless: "Network: join a wireless network",
    copy: "Go on with the copy on the medium",
    show_log: "Read the log",
    write_log: "Write the log to the stick",
    restart: "Start the machine anew",
    power_off: "Power off",
    shell: "Shell",
    other_code: "Go on with another code",
    which_interface: "Interface (Enter: every one that has a link)",
    ask_address: "Address with prefix, as 192.0.2.10/24 (Enter: by DHCP)",
    ask_gateway: "Gateway (Enter: none)",
    ask_servers: "Name servers, with blanks in between (Enter: none)",
    ask_vlan: "VLAN, 1 to 4094 (Enter: none)",
    ask_proxy: "Proxy, as http://192.0.2.1:3128 (Enter: none)",
    ask_wireless: "Name of the wireless network",
    ask_passphrase: "Passphrase (not shown; Enter: none)",
    wrong_address: "An address looks like 192.0.2.10/24.",
    wrong_gateway: "That is not an address.",
    wrong_vlan: "A VLAN is a number from 1 to 4094.",
    wrong_proxy: "A proxy looks like http://192.0.2.1:3128.",
    wrong_passphrase: "A passphrase has 8 to 63 ASCII characters.",
    wireless_failed: "The wireless network could not be joined; the log says why.",
    error: "Error {number}  {name}",
    to_do: "What to do: {remedy}",
    more: "Enter for more, q to go back",
    log_written: "The log is on the stick: anode-log.txt",
    log_not_written: "The log can not be written: this medium is read-only, or it is not a stick.",
    done_before: "This medium has already installed this machine: {when}, profile {profile}.",
    again_question: "Install it again? Everything on its disk may be erased. (yes/no) [no]",
    not_remembered: "This medium can not remember what it did. If it stays in the machine, the machine may be installed again at its next start.",
    start_question: "Start the unattended installation of profile {profile}? (yes/no) [no]",
    starting: "Starting the installer.",
    starting_anew: "The machine starts anew, into the installer. Leave the stick in it.",
    not_next: "The firmware could not be told to start the installer: {problem}.",
    unstaged: "An installer that was staged on this stick is removed from it, with the answers.",
    not_unstaged: "An installer is staged on this stick, with answers that can be read, and could not be removed: erase the stick.",
    not_started: "The machine did not do that. The log says why.",
    rest: "Nothing was installed. What now?",
    shell_leave: "`exit` leads back here.",
    address_refused: "`{word}` is left out: that is no address of a mirror (https://) or a proxy.",
    killed: "The kernel ended the program: most likely this machine has too little memory for it.",
    other_copy: "That did not work with the refreshed copy on the stick: once more with the copy that came with the medium.",
};

pub(super) fn page(exit: ExitCode) -> Page {
    let (title, remedy) = match exit {
        ExitCode::Done => ("Done", "Nothing is wrong."),
        ExitCode::Usage => (
            "The medium called its own program wrongly, or the choice is not clear",
            "Try again and choose on the screen. If it stays, tell the operator: this medium is faulty.",
        ),
        ExitCode::Declined => {
            ("Stopped before anything was written, as you wished", "Try again when you are ready, or power off.")
        }
        ExitCode::CodeMalformed => (
            "That is not a code; nothing was sent",
            "Compare it with the slip, symbol by symbol, and type it again. I, L, O, U and Z occur in no code.",
        ),
        ExitCode::CodeUnknown => (
            "The site does not know this code, or it was revoked",
            "Check that the slip belongs to this site and this medium. If it does, ask the operator for a new code.",
        ),
        ExitCode::CodeNotValid => (
            "The code is not valid now: too early, too late, or used up",
            "Check the machine's date in the firmware setup. If it is right, ask the operator for a new code.",
        ),
        ExitCode::HardwareMismatch => (
            "The code belongs to another machine",
            "Use it on the machine that it was made for, or ask the operator for a code for this one.",
        ),
        ExitCode::ProfileUnknown => ("The code does not offer this profile", "Try again and choose one of the list."),
        ExitCode::AnswerInvalid => (
            "An answer does not fit its question, or is missing",
            "The lines above say which one and what fits. Try again.",
        ),
        ExitCode::SignatureInvalid => (
            "A signature is wrong: nothing of this was used",
            "Stop here and tell the operator. Somebody changed the published files, or this medium is of another site.",
        ),
        ExitCode::MetadataExpired => (
            "The site's newest signed document is too old",
            "Check the machine's date in the firmware setup. If it is right, the operator must refresh the site.",
        ),
        ExitCode::Rollback => (
            "The site shows an older state than this medium has seen",
            "A mirror is behind, or replays an old state. Try again later, or tell the operator.",
        ),
        ExitCode::Integrity => (
            "A file is not what the site signed: it was not used",
            "Try again: it may have been damaged on its way. If it stays, tell the operator.",
        ),
        ExitCode::WrongDocument => (
            "The address holds documents of another site",
            "Check that this medium belongs to your site; the operator checks the site's address.",
        ),
        ExitCode::UnsealFailed => (
            "A sealed file does not open: a fault of the publisher",
            "Tell the operator: the site has to be built and published again.",
        ),
        ExitCode::Clock => {
            ("The machine's clock is impossible", "Set date and time in the firmware setup, then start again.")
        }
        ExitCode::TooNew => ("This medium is too old for the site", "Ask the operator for a new medium."),
        ExitCode::Unreachable => (
            "No server of the site answers, and there is no copy that can be used",
            "Check the cable and the network's settings. Is a proxy or a VLAN needed?",
        ),
        ExitCode::Tls => (
            "The server's certificate was not accepted",
            "Check the machine's date. Networks that open encrypted connections do not work; tell the operator.",
        ),
        ExitCode::TooSlow => {
            ("The connection is too slow or stands still", "Use a cable or another network, then try again.")
        }
        ExitCode::NotASite => (
            "Something answers that is not the site, such as a log-in page of the network",
            "Log in to the network from another device, or set the proxy. The operator checks the address, and whether the server wants a certificate.",
        ),
        ExitCode::HandOver => (
            "Everything was verified, but the installer could not be loaded",
            "The lines above name the step and what to do. If that does not help, tell them to the operator; the log has all of it.",
        ),
        ExitCode::Io => (
            "A file on this machine can not be read or written",
            "The lines above name it. Is the stick still plugged in? Start the machine anew.",
        ),
        ExitCode::Internal => (
            "A bug in this medium",
            "Write the log to the stick and send it to the operator, please. The code is not in it.",
        ),
    };
    Page { title, remedy }
}
