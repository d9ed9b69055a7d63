//! Mails, as they are handed to a server.

use expect_test::expect;

use super::*;
use crate::alert::Alert;
use crate::config::Locale;
use crate::deliver::sample;

const KEYS: &str = "smtp = \"smtps://kim:pass-word@mail.example\"\nfrom = \"bongsu <alerts@mail.example>\"\nto = [\"ops@mail.example\", \"김 <kim@mail.example>\"]";

fn mail(alert: Alert, locale: Locale) -> String {
    let parcel = sample::channel("email", KEYS, locale).compose(&sample::delivery(alert), sample::NOW);
    let Parcel::Mail { from, to, message, .. } = parcel else { panic!("a mail is no {parcel:?}") };
    assert_eq!(
        (from.as_str(), to),
        ("alerts@mail.example", vec!["ops@mail.example".to_owned(), "kim@mail.example".to_owned()])
    );
    String::from_utf8(message.to_vec()).expect("a mail is ASCII")
}

fn head(mail: &str) -> &str {
    mail.split("\r\n\r\n").next().unwrap()
}

#[test]
fn a_mail_has_a_thread_and_an_identity() {
    expect![[r#"
        From: bongsu <alerts@mail.example>
        Date: Mon, 23 Nov 2026 05:02:11 +0000
        Message-ID: <9f2c0000000000000000000000000001.1795410131000.alert.1@mail.example>
        In-Reply-To: <9f2c0000000000000000000000000001@mail.example>
        References: <9f2c0000000000000000000000000001@mail.example>
        Subject: =?utf-8?b?8J+UpeKWq++4j+KWq++4j+KWq++4j+KWq++4jw==?= 1/5
         =?utf-8?b?W+yatOyYgV0=?= order-api =?utf-8?b?wrc=?= NullPointerException
        Auto-Submitted: auto-generated
        X-Bongsu-Fingerprint: 9f2c0000000000000000000000000001
        To: ops@mail.example, =?utf-8?b?6rmA?= <kim@mail.example>
        MIME-Version: 1.0
        Content-Type: multipart/alternative; boundary="=_bongsu_1795410131000_1""#]]
    .assert_eq(&head(&mail(sample::alert(1), Locale::Ko)).replace("\r\n", "\n"));
    let header = |alert, name: &str| {
        let mail = mail(alert, Locale::En);
        head(&mail).lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    };
    for name in ["References: ", "In-Reply-To: "] {
        assert_eq!(header(sample::alert(1), name), header(sample::closing(true), name));
    }
    assert_ne!(header(sample::alert(1), "Message-ID: "), header(sample::alert(3), "Message-ID: "));
    assert_ne!(header(sample::alert(5), "Message-ID: "), header(sample::closing(true), "Message-ID: "));
}

#[test]
fn a_mail_stays_a_mail_whatever_an_error_says() {
    let mut alerts = sample::every();
    alerts.push(sample::all("x\r\nBcc: evil@evil.example\r\n\r\n--=_bongsu_1795410131000_1--\r\n"));
    for alert in alerts {
        let mail = mail(alert, Locale::Ko);
        assert!(mail.is_ascii() && mail.len() < 60_000, "{} bytes", mail.len());
        assert!(mail.lines().all(|line| line.len() <= 998));
        assert!(!head(&mail).lines().any(|line| line.starts_with("Bcc")), "{}", head(&mail));
        assert_eq!(mail.matches("Content-Type: text/").count(), 2);
    }
}

#[test]
fn html_from_outside_is_text() {
    let style = Style {
        locale: Locale::En,
        zone: jiff::tz::TimeZone::UTC,
        public_url: "https://bongsu.example".to_owned(),
        channel: "ops".into(),
        book: std::sync::Arc::default(),
    };
    let page = page(&Message::of(&sample::all(sample::HARM), &style), "#D92D20");
    assert!(!page.contains("<b>") && !page.contains("<at>") && page.contains("@everyone"), "{page}");
    assert_eq!(page.matches("<a href=").count(), 1);
}

#[test]
fn who_is_mentioned_is_written_to_once() {
    let of = |mention: &str, alert: Alert| {
        let channel = sample::with_book("email", KEYS, Locale::En, &sample::BOOK.replace("MENTION", mention));
        let Parcel::Mail { to, message, .. } = channel.compose(&sample::delivery(alert), sample::NOW) else { panic!() };
        let mail = String::from_utf8(message.to_vec()).unwrap();
        let header =
            head(&mail).replace("\r\n ", " ").lines().find(|line| line.starts_with("To: ")).unwrap().to_owned();
        assert_eq!(header.matches('@').count(), to.len());
        to.join(" ")
    };
    let pay = "pay <pay@mail.example>";
    assert_eq!(of(pay, sample::alert(1)), "ops@mail.example kim@mail.example pay@mail.example");
    assert_eq!(of(pay, sample::alert(3)), "ops@mail.example kim@mail.example");
    assert_eq!(of("ops@mail.example", sample::alert(1)), "ops@mail.example kim@mail.example");
    let bad = format!("[[channel]]\nname = \"ops\"\ntype = \"email\"\n{KEYS}\n{}", sample::BOOK);
    let why = crate::deliver::Channels::new(&toml::from_str(&bad).unwrap()).unwrap_err();
    assert!(why.starts_with("channel \"ops\": `mention`: \"MENTION\" is not an address"), "{why}");
}

#[test]
fn a_servers_codes_are_not_those_of_http() {
    let judged = |status| {
        let reply = Reply { status, retry_after: None, body: b"5.7.8 pass-word is wrong".to_vec() };
        sample::channel("email", KEYS, Locale::En).judge(&Ok(reply), sample::NOW)
    };
    assert_eq!(judged(250), Attempt::Delivered);
    assert!(matches!(judged(451), Attempt::Failed { not_before: None, .. }));
    assert_eq!(judged(535), Attempt::Refused { error: "answered 535: 5.7.8 (hidden) is wrong".to_owned() });
}
