//! Why something that a gateway sent could not be accepted, as a code to filter and count by.
//!
//! A dead letter says in words what was wrong; the code is the part of it that stays the same from letter to
//! letter, in the log, in the lake, on the wire and in the metrics. A code is never given another meaning.

use crate::quantity::coded;

coded! {
    /// The reason of a dead letter.
    LetterCode {
        /// The letter does not say: it was written before there were codes.
        Unspecified = 0, "unspecified", "未注明";
        /// The bytes are not of the form that the decoder reads.
        Undecodable = 1, "undecodable", "无法解码";
        /// The payload has no reading.
        Empty = 2, "empty", "无读数";
        /// No decoder is configured for the topic.
        NoDecoder = 3, "no-decoder", "无解码规则";
        /// The topic does not say who sent it.
        BadTopic = 4, "bad-topic", "主题有误";
        /// No entry of the rule's map names the field.
        UnmappedField = 5, "unmapped-field", "字段未映射";
        /// A key is missing, unknown, twice there or of the wrong type.
        BadField = 6, "bad-field", "字段有误";
        /// The meter's id is none.
        BadMeter = 7, "bad-meter", "表计编号有误";
        /// No such quantity.
        UnknownQuantity = 8, "unknown-quantity", "未知计量项";
        /// No such kind of value.
        UnknownKind = 9, "unknown-kind", "未知值类型";
        /// The unit does not measure the quantity.
        UnknownUnit = 10, "unknown-unit", "未知单位";
        /// No such data flag.
        BadFlag = 11, "bad-flag", "数据标记有误";
        /// The value is no number.
        BadValue = 12, "bad-value", "数值有误";
        /// The value is beyond what is stored.
        OutOfRange = 13, "out-of-range", "数值超限";
        /// The instant is missing, cannot be read, or is before 2000.
        BadInstant = 14, "bad-instant", "时间有误";
        /// The instant is ahead of the receiver's clock.
        FutureInstant = 15, "future-instant", "时间超前";
        /// A live reading too far behind its gateway's newest.
        TooLate = 16, "too-late", "迟到过久";
        /// A retained message whose readings have no instant.
        RetainedWithoutInstant = 17, "retained-without-instant", "保留消息无时间";
        /// Its sender may not send it.
        NotAllowed = 18, "not-allowed", "无权发送";
        /// More bytes, series or readings than one message may have.
        TooLarge = 19, "too-large", "超长";
        /// A Sparkplug metric or device whose birth is not known.
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
