//! What `--help` says. At most 80 columns: it is read on consoles.

use super::arguments::Topic;

const PROGRAM: &str = "\
anode-fetch: turns an activation code into verified installer files

usage: anode-fetch <command> [options]

  activate   verify a tree, open what a code unlocks, write the files
  update     refresh the signed documents in a state folder
  blob       fetch one file whose hash is known
  facts      what this machine is, as JSON

  -h, --help      this text; with a command, its options
  -V, --version   the version

Nothing is trusted because of the network, and no option skips a check.
";

const ACTIVATE: &str = "\
usage: anode-fetch activate --site URL... --root FILE TARGET [options]

  --site URL            a mirror of the tree; repeat it for more, in order
  --root FILE           the site's root document, with FILE.<keyid>.minisig
                        and, if the medium has one, FILE.floor beside it
  --files DIR           write the files into DIR, which must not exist or be
                        empty
  --initrd FILE         or write them as an archive that another boot loader
                        loads behind the installer's initrd; FILE must not
                        exist
  --kexec               or load the installer's kernel, its initrd and the
                        files into memory: kernel and initrd come from --cache
                        or from where they were pinned, and are hashed. Needs
                        root. Nothing is started: `systemctl kexec` does that
  --stage DIR           or lay it down, with the installer's own signed boot
                        loaders, in DIR, the root of a FAT file system: the
                        firmware can start EFI/anode/shim.efi there. With
                        --kexec, only where Secure Boot would not let the
                        running kernel load it. Answers lie there in clear!

with --kexec or --stage, the installer is given this machine's network:
  --ip ADDRESS/PREFIX[,GATEWAY[,SERVER;SERVER...]]
                        its address, gateway and name servers
  --vlan NUMBER         its VLAN
  --interface MAC       its network card, by hardware address
  --wireless            or it is in the air, where no installer looks
  --proxy, below, is handed on, too. What the installer has no words for, or
  the profile sets itself, is said before the last question.

without these the program asks:
  --code CODE           the activation code; other users of this machine can
                        see it in the list of processes: prefer --code-file
  --code-file FILE      a file with the activation code
  --typed-code FILE     where a code that is typed is kept for the next run,
                        which does not ask for it while FILE is there
  --profile ID          which of the profiles on offer
  --answer NAME=VALUE   the answer to a prompt; repeat it for more. A password
                        may be plain or a crypt hash; the same warning holds
  With a code given nothing is asked, and what is missing is an error.

";

const UPDATE: &str = "\
usage: anode-fetch update --site URL... --root FILE --state DIR [options]

  --site URL            a mirror of the tree; repeat it for more, in order
  --root FILE           the site's root document, with FILE.<keyid>.minisig
                        and, if the medium has one, FILE.floor beside it

";

const REACH: &str = "\
  --state DIR           keeps signed documents: protects against old trees
  --cache DIR           a copy of the tree, used where no mirror answers
  --ca FILE             believe the certificate authorities in this PEM file
                        instead of the machine's own; repeat for more
  --client-cert FILE    show this certificate (PEM) to the server
  --client-key FILE     its private key (PEM)
  --proxy URL           reach everything through this proxy, http://HOST:PORT
  --now TIME            the reading of the clock, as 2026-11-30T12:00:00Z
  --allow-http          accept http:// for mirrors on this machine
  --json                one JSON object on standard output
  --lang de|en          the language of questions; else that of LANG
";

const BLOB: &str = "\
usage: anode-fetch blob --url URL... --sha256 HEX --length BYTES --out FILE

  --url URL             where the file can be had; repeat it for more, in order.
                        http:// will do: nothing but the hash is believed
  --sha256 HEX          its hash
  --length BYTES        its length
  --out FILE            where it goes; FILE must not exist, and appears complete
                        and verified or not at all
  --ca FILE             believe the certificate authorities in this PEM file
                        instead of the machine's own; repeat for more
  --proxy URL           reach everything through this proxy, http://HOST:PORT;
                        else through the one that /anode/proxy names
  --now TIME            the reading of the clock, as 2026-11-30T12:00:00Z
";

const FACTS: &str = "\
usage: anode-fetch facts

Prints one JSON object: system, processor, memory, disks, network interfaces,
firmware, Secure Boot, clock. What can not be read is null; run it as root.
";

pub(super) fn text(topic: Topic) -> String {
    match topic {
        Topic::Program => PROGRAM.to_owned(),
        Topic::Activate => format!("{ACTIVATE}{REACH}"),
        Topic::Update => format!("{UPDATE}{REACH}"),
        Topic::Blob => BLOB.to_owned(),
        Topic::Facts => FACTS.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_eighty_columns() {
        for topic in [Topic::Program, Topic::Activate, Topic::Update, Topic::Blob, Topic::Facts] {
            for line in text(topic).lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
