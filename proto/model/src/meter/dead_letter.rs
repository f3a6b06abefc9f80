//! The reasons why ingest refuses what a gateway sent, as codes to filter and count by.
//!
//! A dead letter describes the mistake in words; the code is the part that is the same for all dead letters of a
//! reason, in the log, in the lake, on the wire and in the metrics. A code never gets another meaning.

use crate::meter::quantity::coded;

coded! {
    /// The reason of a dead letter.
    LetterCode {
        /// The dead letter has no code: it was written before there were codes.
        Unspecified = 0, "unspecified", "未注明";
        /// The bytes are not of the form that the decoder reads.
        Undecodable = 1, "undecodable", "无法解码";
        /// The payload has no reading.
        Empty = 2, "empty", "无读数";
        /// No decoder is configured for the topic.
        NoDecoder = 3, "no-decoder", "无解码规则";
        /// The topic does not name the sender.
        BadTopic = 4, "bad-topic", "主题有误";
        /// No entry of the rule's map names the field.
        UnmappedField = 5, "unmapped-field", "字段未映射";
        /// A key is missing, unknown, repeated or of the wrong type.
        BadField = 6, "bad-field", "字段有误";
        /// The meter's id is not valid.
        BadMeter = 7, "bad-meter", "表计编号有误";
        /// The quantity is not known.
        UnknownQuantity = 8, "unknown-quantity", "未知计量项";
        /// The kind of value is not known.
        UnknownKind = 9, "unknown-kind", "未知值类型";
        /// The unit does not measure the quantity.
        UnknownUnit = 10, "unknown-unit", "未知单位";
        /// The data flag is not known.
        BadFlag = 11, "bad-flag", "数据标记有误";
        /// The value is not a number.
        BadValue = 12, "bad-value", "数值有误";
        /// The value exceeds the range that is stored.
        OutOfRange = 13, "out-of-range", "数值超限";
        /// The instant is missing, cannot be parsed, or is before 2000.
        BadInstant = 14, "bad-instant", "时间有误";
        /// The instant is ahead of the receiver's clock.
        FutureInstant = 15, "future-instant", "时间超前";
        /// A live reading is too far behind its gateway's newest.
        TooLate = 16, "too-late", "迟到过久";
        /// The readings of a retained message have no instant.
        RetainedWithoutInstant = 17, "retained-without-instant", "保留消息无时间";
        /// The sender has no permission to send it.
        NotAllowed = 18, "not-allowed", "无权发送";
        /// The message has more bytes, series or readings than allowed.
        TooLarge = 19, "too-large", "超长";
        /// The birth of a Sparkplug metric or device is not known.
        BirthUnknown = 20, "birth-unknown", "未知上线报文";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_by_its_name_and_its_number() {
        for &code in LetterCode::ALL {
            assert_eq!(LetterCode::from_name(code.as_str()), Some(code));
            assert_eq!(LetterCode::from_code(code.code()), Some(code));
        }
        assert_eq!(LetterCode::from_name("undecodeable"), None);
        assert_eq!(LetterCode::from_code(255), None);
    }
}
