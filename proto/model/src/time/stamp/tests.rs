//! Goal: a stamp means one instant, or is refused with what to write instead. Method: spellings by hand, compared
//! with RFC 3339.

use proptest::prelude::*;

use super::*;

fn stamps(spec: Spec<'_>) -> Stamps {
    Stamps::of(&spec, |key, reason| panic!("{key}: {reason}")).expect("stamps")
}

fn ms(text: &str) -> i64 {
    text.parse::<Instant>().expect("an instant").millis()
}

const CHINESE: Spec<'_> = Spec {
    zone: Some("+08:00"),
    format: None,
    is_end: false,
    interval_ms: None,
    prints_24_as: None,
};

#[test]
fn a_stamp_without_a_zone_is_parsed_in_the_configured_one() {
    let known = stamps(CHINESE);
    let at = ms("2026-10-10T08:00:00+08:00");
    for text in [
        "2026-10-10 08:00:00",
        "2026-10-10T08:00:00",
        "2026-10-10 8:00",
        "2026/10/10 8:00:00",
        "2026.10.10 08:00",
        "2026年10月10日 8时0分0秒",
        "2026年10月10日8:00",
        "2026-10-10 08:00:00.000",
        "2026-10-10 00:00:00Z",
        "2026-10-10T00:00:00Z",
        "2026-10-10T01:00:00+01:00",
        "2026/10/10 05:30:00+05:30",
        "2026-10-10 08:00:00+0800",
        "2026-10-10 08:00:00 +08",
    ] {
        assert_eq!(known.parse(text), Ok(at), "{text}");
    }
    assert_eq!(known.parse("2026-10-10 08:00:00.5"), Ok(at + 500));
    let unknown = Stamps::default();
    let reason = unknown.parse("2026-10-10 08:00:00").expect_err("no zone");
    assert!(reason.contains("zone = \"+08:00\""), "{reason}");
    for text in [
        "",
        "2026-10-10",
        "20261010080000",
        "2026-13-10 08:00:00",
        "2026-10-10 25:00:00",
        "10/10/2026 08:00",
        "2026-10-1008:00",
        "2026-10-10 08:00:00 CST",
        "yesterday",
        "2026-03-01 00:00+钟5",
        "2026-03-01 00:00-5钟",
    ] {
        assert!(known.parse(text).is_err(), "{text}");
    }
}

#[test]
fn midnight_may_be_written_as_24_00() {
    let known = stamps(CHINESE);
    let at = ms("2027-01-01T00:00:00+08:00");
    for text in [
        "2026-12-31T24:00:00+08:00",
        "2026-12-31 24:00:00+08:00",
        "2026-12-31T24:00:00.000+08:00",
        "2026-12-31T24:00+08:00",
    ] {
        assert_eq!(
            text.parse::<Instant>().map(|i| i.millis()),
            Ok(at),
            "{text}"
        );
    }
    for text in ["2026-12-31 24:00:00", "2026/12/31 24:00"] {
        assert_eq!(known.parse(text), Ok(at), "{text}");
    }
    for text in [
        "2026-12-31T24:00:01+08:00",
        "2026-12-31T24:01:00+08:00",
        "2026-12-31T24:00:00",
        "2026-12-32T24:00:00+08:00",
    ] {
        assert!(text.parse::<Instant>().is_err(), "{text}");
    }
    let formats = [
        ("%Y%m%d%H%M%S", "20261231240000"),
        ("%d/%m/%Y %H:%M", "31/12/2026 24:00"),
        ("%Y-%m-%d %H:%M:%S", "2026-12-31 24:00:00"),
    ];
    for (format, text) in formats {
        let stamps = stamps(Spec {
            format: Some(format),
            ..CHINESE
        });
        assert_eq!(stamps.parse(text), Ok(at), "{format}");
        assert!(stamps.parse(&text.replace("24", "25")).is_err(), "{format}");
    }
    let stamps = stamps(Spec {
        format: Some("%Y-%m-%d %H:%M:%S"),
        ..CHINESE
    });
    let later = stamps.parse("2024-10-24 24:00:00");
    assert_eq!(later, Ok(ms("2024-10-25T00:00:00+08:00")));
    assert!(stamps.parse("2024-10-24 24:00:05").is_err());
}

#[test]
fn a_format_may_have_its_own_offset_and_another_time_for_24_00() {
    let stamps = stamps(Spec {
        format: Some("%d.%m.%Y %H:%M %z"),
        prints_24_as: Some("00:00"),
        ..Spec::default()
    });
    let at = ms("2026-03-01T00:15:00+01:00");
    assert_eq!(stamps.parse("01.03.2026 00:15 +0100"), Ok(at));
    let end = ms("2026-03-02T00:00:00+01:00");
    assert_eq!(stamps.parse("01.03.2026 00:00 +0100"), Ok(end));
}

#[test]
fn every_mistake_of_a_spec_is_named() {
    let mut keys = Vec::new();
    let spec = Spec {
        format: Some(""),
        zone: Some("8"),
        is_end: true,
        interval_ms: None,
        prints_24_as: Some("x"),
    };
    assert_eq!(Stamps::of(&spec, |key, _| keys.push(key.to_owned())), None);
    assert_eq!(keys, ["zone", "format", "interval", "prints_24_as"]);
    for bad in [
        "",
        "8",
        "+8",
        "+08",
        "+24:00",
        "+0a:00",
        "+0800",
        "CET",
        "钟:表00",
    ] {
        assert!(zone(bad).is_err(), "{bad}");
    }
    for (good, seconds) in [
        ("+08:00", 28_800),
        ("-03:30", -12_600),
        ("Z", 0),
        ("Asia/Shanghai", 28_800),
    ] {
        assert_eq!(zone(good).map(Offset::seconds), Ok(seconds), "{good}");
    }
}

proptest! {
    #[test]
    fn arbitrary_stamps_never_panic(text in "[-0-9:/ TZ+.年月日时分秒]{0,40}", odd in ".{0,20}") {
        let known = stamps(CHINESE);
        let formatted = stamps(Spec { format: Some("%Y%m%d%H%M%S"), ..CHINESE });
        for text in [&text, &odd] {
            let _unused = (known.parse(text), formatted.parse(text), zone(text));
        }
    }

    #[test]
    fn an_instant_is_read_without_its_offset(minutes in 15_800_000i64..35_000_000) {
        let text = Instant::from_millis(minutes * 60_000).to_string();
        let bare = text.replace("+08:00", "").replace('T', " ");
        prop_assert_eq!(stamps(CHINESE).parse(&bare), Ok(minutes * 60_000));
    }
}
