//! `anode passwd` and `anode ssh-key`: what they make is what the system's own programs take.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anode_tests::{Program, Site, Terminal, anode, binary};

#[test]
fn a_hash_is_one_that_the_system_makes_of_the_same_password() {
    for password in ["correct horse battery", "Grüße \"$(x)\" 'y' \\"] {
        let hash = anode(["passwd"]).input(&format!("{password}\n")).run().ok().stdout;
        let salt = hash.split('$').nth(2).expect("a salt").to_owned();
        let theirs =
            Program::new("openssl").args(["passwd", "-6", "-salt", &salt, "-stdin"]).input(&format!("{password}\n"));
        assert_eq!(theirs.run().ok().stdout, hash);
        // libcrypt itself, which log-ins ask.
        let check = "import ctypes, ctypes.util, sys\n\
                     crypt = ctypes.CDLL(ctypes.util.find_library('crypt') or 'libcrypt.so.1').crypt\n\
                     crypt.restype = ctypes.c_char_p\n\
                     print(crypt(sys.stdin.buffer.read().rstrip(b'\\n'), sys.argv[1].encode()).decode())";
        let libcrypt = Program::new("python3").args(["-c", check, hash.trim()]).input(&format!("{password}\n"));
        assert_eq!(libcrypt.run().ok().stdout, hash);
        let again = anode(["passwd"]).input(&format!("{password}\n")).run().ok().stdout;
        assert_ne!(again, hash, "each hash has a salt of its own");
    }
}

#[test]
fn a_password_is_one_line_and_not_empty_and_never_an_argument() {
    let _ = anode(["passwd"]).input("").run().fails(&["the password is empty"]);
    let _ = anode(["passwd"]).input("\n").run().fails(&["the password is empty"]);
    let _ = anode(["passwd"]).input("a\nb\n").run().fails(&["more than one line"]);
    let _ = anode(["passwd"]).input(&"x".repeat(512)).run().fails(&["longer than 511 bytes"]);
    let _ = anode(["passwd", "hunter2"]).run().fails(&["unexpected argument"]);
}

#[test]
fn at_a_terminal_the_password_is_asked_for_twice_and_not_shown() {
    let command = [binary("anode").display().to_string(), "passwd".to_owned()];
    for (second, wanted) in [("correct hose", "the two are not the same"), ("correct horse", "$6$")] {
        let mut terminal = Terminal::run(&command);
        for (question, answer) in [("password: ", "correct horse"), ("once more: ", second)] {
            terminal.expect(question);
            terminal.type_line(answer);
        }
        terminal.expect(wanted);
        assert_eq!(terminal.exit() == Some(0), second == "correct horse");
        assert!(!terminal.screen().contains("correct ho"), "{}", terminal.screen());
    }
}

#[test]
fn a_deploy_key_lies_with_the_other_secrets_and_openssh_reads_it() {
    let site = Site::new();
    let made = site.anode(&["ssh-key", "new", "deploy"]).run().ok();
    let secret = site.keys().join("deploy.ssh");
    assert_eq!(fs::metadata(&secret).expect("the secret").permissions().mode() & 0o777, 0o600);
    let read = Program::new("ssh-keygen").args(["-y", "-f"]).arg(&secret).run().ok();
    assert_eq!(read.stdout, made.stdout);
    assert_eq!(fs::read_to_string(site.keys().join("deploy.ssh.pub")).expect("the public half"), made.stdout);
    assert!(made.stdout.starts_with("ssh-ed25519 AAAA") && made.stdout.trim().ends_with(&site.id()), "{made}");
    for line in
        ["[secrets.deploy]", &format!("file = \"{}\"", secret.display()), "deploy_key = { secret = \"deploy\" }"]
    {
        assert!(made.stderr.contains(line), "{made}");
    }
    let key = fs::read_to_string(&secret).expect("the secret");
    assert!(!made.stderr.contains(key.lines().nth(2).expect("a line of the key")), "the key was printed");
    let _ = site.anode(&["ssh-key", "new", "deploy"]).run().fails(&["never overwritten"]);
    assert_eq!(fs::read_to_string(&secret).expect("the secret"), key);
    let other = site.anode(&["ssh-key", "new", "other", "--comment", "host\nkey"]).run();
    let _ = other.fails(&["a comment is"]);
    let inside = site.anode(&["ssh-key", "new", "other"]).arg("--keys").arg(site.repository().join("keys"));
    let _ = inside.run().fails(&["lies in the repository"]);

    // It is looked for like the others, also line by line.
    fs::write(site.scratch("leak"), key.lines().nth(3).expect("a line of the key")).expect("writing");
    let scanned = site.anode(&["scan"]).arg(site.scratch("leak")).run();
    let _ = scanned.fails(&["holds the secret `deploy.ssh`"]);
}
