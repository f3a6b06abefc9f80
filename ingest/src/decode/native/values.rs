//! The values of a reading's members, which both JSON forms share.

use greenpark_model::{
    amount::Amount,
    letter::LetterCode,
    reading::{Flag, Kind},
    ticket::Ticket,
    unit::UnitRatio,
};

use super::fields::{Key, wrong};
use crate::{
    decode::{
        Timing,
        fault::{self, Fault},
        json_scanner::Token,
        series::clip,
        time::instant,
    },
    settings::TimeUnit,
};

/// Returns the UTC milliseconds of RFC 3339 text or an integer.
pub(super) fn instant_ms(key: Key, value: &Token<'_>, timing: &Timing<'_>) -> Result<i64, Fault> {
    match value {
        Token::Text(text) => match instant::parse(text, timing.stamps) {
            Ok(at) => Ok(at.millis()),
            Err(reason) => Err(reason.at("\"at\"")),
        },
        Token::Number(digits) => match digits.parse() {
            Ok(ms) => instant::check_count(ms, ms, TimeUnit::Ms, timing)
                .map_err(|reason| reason.at("\"at\"")),
            Err(_) => Err(Fault::new(LetterCode::BadInstant, not_whole(digits))),
        },
        other => Err(wrong(
            key,
            other,
            "an instant such as 2026-11-23T08:00:00+08:00 or UTC milliseconds",
        )),
    }
}

fn not_whole(digits: &str) -> String {
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let excel = whole.parse().ok();
    let excel = excel.and_then(|day| instant::excel_day(day, |_| true));
    let cause = excel.map_or(String::new(), |cause| format!(": {cause}"));
    format!(
        "\"at\": {} is no whole number of UTC milliseconds{cause}",
        clip(digits)
    )
}

/// Returns the exact amount of a number or a string.
pub(super) fn amount(value: &Token<'_>, ratio: UnitRatio) -> Result<Amount, Fault> {
    let digits = match value {
        Token::Number(digits) => digits,
        Token::Text(text) => text.as_ref(),
        Token::NoNumber(word) => {
            let words = format!(
                "\"value\" is {}, which is no number: leave the reading out",
                clip(word)
            );
            return Err(Fault::new(LetterCode::BadValue, words));
        }
        other => return Err(wrong(Key::Value, other, "a decimal number")),
    };
    Amount::parse_by(digits.as_bytes(), ratio).map_err(|e| {
        let words = format!("\"value\": '{}' is {e}", clip(digits));
        Fault::new(fault::of_amount(&e), words)
    })
}

/// Returns the ticket of a token; `None` for null.
pub(super) fn ticket(token: &Token<'_>, kind: Kind) -> Result<Option<Ticket>, Fault> {
    let text = match token {
        Token::Null => return Ok(None),
        Token::Number(digits) => digits,
        Token::Text(text) => text.as_ref(),
        other => return Err(wrong(Key::Ticket, other, "the number on a ticket")),
    };
    if kind != Kind::Event {
        let words = format!(
            "\"ticket\": a {} has none, only an event does; leave it out, or write kind \"event\"",
            kind.as_str()
        );
        return Err(Fault::new(LetterCode::BadField, words));
    }
    let ticket = Ticket::new(text);
    ticket
        .map(Some)
        .map_err(|e| Fault::new(LetterCode::BadField, format!("\"ticket\": {e}")))
}

/// Returns the data flag of a letter.
pub(super) fn flag(letter: &str) -> Result<Flag, Fault> {
    Flag::from_name(letter).ok_or_else(|| {
        let words = format!(
            "\"flag\": '{}' is no data flag of HJ 212; write N, F, M, S, D, C, T or B",
            clip(letter)
        );
        Fault::new(LetterCode::BadFlag, words)
    })
}
