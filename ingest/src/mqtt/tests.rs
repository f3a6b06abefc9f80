//! Goal: this module parses what rumqttc's codec writes, that codec parses what this module writes,
//! and no bytes make the parser panic.

use bytes::{Bytes, BytesMut};
use greenpark_model::numbers::Numbered;
use proptest::prelude::*;
use rumqttc::{
    mqttbytes as v4,
    v5::mqttbytes::{self as v5, v5 as five},
};

use super::*;

fn frame(bytes: &[u8]) -> Frame<'_> {
    match split(bytes, 1 << 28) {
        Ok(Split::Whole(frame)) if frame.size == bytes.len() => frame,
        other => panic!("not one packet: {other:?}"),
    }
}

#[test]
fn a_publish_of_either_version_is_read() {
    let mut bytes = BytesMut::new();
    let mut publish = v4::v4::Publish::new("park/p/e/g/up/readings", v4::QoS::AtLeastOnce, "abc");
    publish.pkid = 7;
    publish.write(&mut bytes).expect("it fits");
    let f = frame(&bytes);
    let expected = Publish {
        topic: "park/p/e/g/up/readings",
        alias: None,
        qos: 1,
        packet_id: 7,
        payload: b"abc",
        numbered: None,
        retain: false,
        replay: false,
        replay_of: None,
    };
    assert_eq!(wire_publish(f, Version::V4), Ok(expected));

    let mut bytes = BytesMut::new();
    let properties = five::PublishProperties {
        message_expiry_interval: Some(5),
        response_topic: Some("r".into()),
        correlation_data: Some(Bytes::from_static(b"\xff")),
        user_properties: vec![("k".into(), "v".into())],
        content_type: Some("application/json".into()),
        ..Default::default()
    };
    let mut publish = five::Publish::new(
        "park/p/e/g/up/readings",
        v5::QoS::ExactlyOnce,
        "abc",
        Some(properties),
    );
    publish.pkid = 7;
    publish.write(&mut bytes).expect("it fits");
    assert_eq!(
        wire_publish(frame(&bytes), Version::V5),
        Ok(Publish { qos: 2, ..expected })
    );
}

#[test]
fn a_message_is_numbered_by_two_user_properties() {
    let numbered = |pairs: &[(&str, &str)]| {
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let properties = five::PublishProperties {
            user_properties: pairs.iter().map(pair).collect(),
            ..Default::default()
        };
        let mut publish = five::Publish::new("t", v5::QoS::AtLeastOnce, "abc", Some(properties));
        publish.pkid = 7;
        let mut bytes = BytesMut::new();
        publish.write(&mut bytes).expect("it fits");
        let publish = wire_publish(frame(&bytes), Version::V5).expect("a publish");
        publish.numbered
    };
    let expected = Numbered::new(1_795_392_000, 42);
    let (epoch, sequence) = (("epoch", "1795392000"), ("sequence", "42"));
    assert_eq!(numbered(&[("k", "v"), sequence, epoch]), expected);
    for wrong in [
        &[epoch][..],
        &[sequence],
        &[epoch, ("sequence", "0")],
        &[epoch, ("sequence", "-1")],
        &[epoch, ("sequence", "9007199254740992")],
        &[epoch, sequence, ("epoch", "today")],
    ] {
        assert_eq!(numbered(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_receipt_is_a_publish_that_clients_read() {
    for (retain, identifier) in [(true, None), (false, Some(300))] {
        let payload = vec![b'x'; 300];
        let mut out = Vec::new();
        let mut how = Delivery {
            version: Version::V5,
            retain,
            identifier,
        };
        deliver("a/b", &payload, how, &mut out);
        let mut stream = BytesMut::from(&out[..]);
        let Ok(five::Packet::Publish(publish)) = five::Packet::read(&mut stream, None) else {
            panic!("no PUBLISH")
        };
        assert_eq!(publish.retain, retain);
        let properties = publish.properties.unwrap_or_default();
        let expected: Vec<usize> = identifier.map(|_| 300).into_iter().collect();
        assert_eq!(properties.subscription_identifiers, expected);
        assert_eq!(
            (&publish.topic[..], &publish.payload[..]),
            (&b"a/b"[..], &payload[..])
        );
        out.clear();
        how.version = Version::V4;
        deliver("a/b", &payload, how, &mut out);
        let mut stream = BytesMut::from(&out[..]);
        let Ok(v4::v4::Packet::Publish(publish)) = v4::v4::Packet::read(&mut stream, 1 << 20)
        else {
            panic!("no PUBLISH")
        };
        assert_eq!(
            (publish.topic.as_str(), &publish.payload[..]),
            ("a/b", &payload[..])
        );
    }
}

fn wire_publish(frame: Frame<'_>, version: Version) -> Result<Publish<'_>, Violation> {
    publish(frame.first, frame.body, version)
}

#[test]
fn a_topic_alias_is_read_and_a_packet_id_of_zero_is_refused() {
    let mut bytes = BytesMut::new();
    let properties = five::PublishProperties {
        topic_alias: Some(1),
        ..Default::default()
    };
    let mut publish = five::Publish::new("t", v5::QoS::AtLeastOnce, "abc", Some(properties));
    publish.pkid = 7;
    publish.write(&mut bytes).expect("it fits");
    let publish = wire_publish(frame(&bytes), Version::V5).expect("a publish");
    assert_eq!(publish.alias, Some(1));
    assert!(super::publish(0x32, &[0, 1, b't', 0, 0], Version::V4).is_err());
    assert!(super::publish(0x36, &[0, 1, b't', 0, 1], Version::V4).is_err());
}

#[test]
fn a_connect_of_either_version_is_read() {
    let mut bytes = BytesMut::new();
    let mut connect = v4::v4::Connect::new("gw1");
    connect.keep_alive = 30;
    connect.clean_session = false;
    connect.set_login("user", "secret");
    connect.last_will = Some(v4::v4::LastWill::new(
        "will/topic",
        b"gone".to_vec(),
        v4::QoS::AtLeastOnce,
        true,
    ));
    connect.write(&mut bytes).expect("it fits");
    let f = frame(&bytes);
    let will = Will {
        topic: "will/topic".into(),
        payload: b"gone".to_vec(),
        qos: 1,
        retain: true,
    };
    let mut expected = Connect {
        version: Version::V4,
        client_id: "gw1".into(),
        clean: false,
        keep_alive_s: 30,
        will: Some(will),
        username: Some("user".into()),
        password: Some(Password(b"secret".to_vec())),
        wants_session: true,
        packet_bytes_max: usize::MAX,
    };
    assert_eq!(super::connect(f), Ok(expected.clone()));

    let mut properties = five::ConnectProperties::new();
    properties.session_expiry_interval = Some(60);
    properties.user_properties = vec![("k".into(), "v".into())];
    let connect = five::Connect {
        keep_alive: 30,
        client_id: "gw1".into(),
        clean_start: true,
        properties: Some(properties),
    };
    let will_properties = five::LastWillProperties {
        delay_interval: Some(5),
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    let will = five::LastWill::new(
        "will/topic",
        "gone",
        v5::QoS::AtLeastOnce,
        true,
        Some(will_properties),
    );
    let login = five::Login::new("user", "secret");
    let mut bytes = BytesMut::new();
    connect
        .write(&Some(will), &Some(login), &mut bytes)
        .expect("it fits");
    let f = frame(&bytes);
    assert!(!format!("{expected:?}").contains("secret"));
    expected.version = Version::V5;
    expected.clean = true;
    assert_eq!(super::connect(f), Ok(expected));
}

#[test]
fn an_invalid_connect_is_refused_with_its_reason() {
    let level = |level: u8| {
        let body = [0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 60, 0, 1, b'c'];
        connect(whole(0x10, &body))
    };
    assert!(level(4).is_ok());
    // A Mosquitto bridge sets the highest bit.
    assert_eq!(level(0x84), level(4));
    assert_eq!(level(0x83), Err(ConnectError::Level(0x83)));
    assert_eq!(level(6), Err(ConnectError::Level(6)));
    assert_eq!(
        connect(whole(0x10, b"GET / HTTP/1.1")),
        Err(ConnectError::NotMqtt)
    );
    let mut out = Vec::new();
    for (level, expected) in [
        (3, &[0x20, 2, 0, 1][..]),
        (0x83, &[0x20, 2, 0, 1]),
        (6, &[0x20, 3, 0, 0x84, 0]),
    ] {
        let (version, reason) = ConnectError::Level(level).answer().expect("an answer");
        out.clear();
        refuse(reason, version, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn an_old_gateway_may_omit_the_announced_user_name() {
    let old = |flags: u8, rest: &[u8]| {
        let head = [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, flags, 0, 60];
        connect(whole(0x10, &[&head[..], rest].concat()))
    };
    let connected = old(0x02, &[0, 1, b'c']).expect("a CONNECT of MQTT 3.1");
    assert_eq!(connected.version, Version::V3);
    assert_eq!(old(0xc2, &[0, 1, b'c']), Ok(connected));
    let named = old(0xc2, &[0, 1, b'c', 0, 1, b'u']).expect("a name without a password");
    assert_eq!(
        (named.username.as_deref(), named.password),
        (Some("u"), None)
    );
    assert!(matches!(
        old(0x02, &[0, 0]),
        Err(ConnectError::Violation(Version::V3, _))
    ));
}

fn whole(first: u8, body: &[u8]) -> Frame<'_> {
    Frame {
        first,
        body,
        size: body.len() + 2,
        padded: false,
    }
}

#[test]
fn answers_are_what_the_codec_of_clients_reads() {
    let mut out = Vec::new();
    let _ = connack(
        Connack {
            version: Version::V5,
            assigned: Some("greenpark-1-2"),
            no_session: true,
            packet_bytes_max: usize::MAX,
        },
        &mut out,
    );
    pingresp(&mut out);
    suback(3, &[0x87; 2], Version::V5, &mut out);
    unsuback(4, &[0x11; 2], Version::V5, &mut out);
    pubcomp(5, true, Version::V5, &mut out);
    farewell(Reason::PacketTooLarge, Version::V5, &mut out);
    let mut stream = BytesMut::from(&out[..]);
    let mut next = || five::Packet::read(&mut stream, None).expect("a packet");
    let five::Packet::ConnAck(ack) = next() else {
        panic!("no CONNACK")
    };
    let properties = ack.properties.expect("properties");
    assert_eq!(ack.code, five::ConnectReturnCode::Success);
    assert_eq!(
        properties.assigned_client_identifier.as_deref(),
        Some("greenpark-1-2")
    );
    assert_eq!(properties.max_packet_size, Some(1 << 20));
    assert_eq!(properties.receive_max, Some(u16::MAX));
    assert_eq!(properties.topic_alias_max, Some(16));
    assert_eq!(properties.shared_subscription_available, Some(0));
    assert_eq!(properties.subscription_identifiers_available, None);
    assert_eq!(next(), five::Packet::PingResp(five::PingResp));
    let five::Packet::SubAck(ack) = next() else {
        panic!("no SUBACK")
    };
    assert_eq!(
        (ack.pkid, ack.return_codes),
        (3, vec![five::SubscribeReasonCode::NotAuthorized; 2])
    );
    let five::Packet::UnsubAck(ack) = next() else {
        panic!("no UNSUBACK")
    };
    assert_eq!((ack.pkid, ack.reasons.len()), (4, 2));
    assert!(matches!(next(), five::Packet::PubComp(ack) if ack.pkid == 5));
    assert!(
        matches!(next(), five::Packet::Disconnect(d) if d.reason_code == five::DisconnectReasonCode::PacketTooLarge)
    );
}

#[test]
fn answers_of_version_3_1_1_are_what_the_codec_of_clients_reads() {
    let mut out = Vec::new();
    let _ = connack(
        Connack {
            version: Version::V4,
            assigned: None,
            no_session: true,
            packet_bytes_max: usize::MAX,
        },
        &mut out,
    );
    suback(3, &[0x80; 2], Version::V4, &mut out);
    unsuback(4, &[0x11; 2], Version::V4, &mut out);
    farewell(Reason::PacketTooLarge, Version::V4, &mut out);
    let mut stream = BytesMut::from(&out[..]);
    let mut next = || v4::v4::Packet::read(&mut stream, 1 << 20).expect("a packet");
    assert!(
        matches!(next(), v4::v4::Packet::ConnAck(ack) if ack.code == v4::v4::ConnectReturnCode::Success)
    );
    assert!(
        matches!(next(), v4::v4::Packet::SubAck(ack) if ack.return_codes == [v4::v4::SubscribeReasonCode::Failure; 2])
    );
    assert!(matches!(next(), v4::v4::Packet::UnsubAck(ack) if ack.pkid == 4));
    assert!(stream.is_empty());
}

#[test]
fn subscribe_and_unsubscribe_name_their_filters() {
    let mut bytes = BytesMut::new();
    let filters = (0..200).map(|i| five::Filter::new(format!("a/{i}"), v5::QoS::AtLeastOnce));
    let mut packet = five::Subscribe::new_many(filters, None);
    packet.pkid = 9;
    packet.write(&mut bytes).expect("it fits");
    let f = frame(&bytes);
    let read = subscribe(f.body, Version::V5).expect("a SUBSCRIBE");
    let filters = &read.subscriptions;
    let last = filters[199].filter;
    assert_eq!((read.packet_id, filters.len(), last), (9, 200, "a/199"));
    let mut out = Vec::new();
    suback(9, &[0; 200], Version::V5, &mut out);
    assert_eq!(frame(&out).body.len(), 203);
    assert_eq!(
        unsubscribe(&[0, 9, 0, 1, b'a', 0, 1, b'b'], Version::V4),
        Ok((9, vec!["a", "b"]))
    );
    assert!(subscribe(&[0, 9], Version::V4).is_err());
    assert!(whole(0x80, &[]).check(Version::V4).is_err());
}

#[test]
fn forms_that_clients_do_send_are_read() {
    for body in [&[0u8, 5][..], &[0, 5, 0], &[0, 5, 0, 0]] {
        let read = pubrel(body, Version::V5).map(|answer| answer.packet_id);
        assert_eq!(read, Ok(5));
    }
    for (body, with_will) in [
        (&[][..], false),
        (&[0, 0], false),
        (&[4], true),
        (&[4, 0], true),
    ] {
        assert_eq!(disconnect(body, Version::V5, false), Ok(with_will));
    }
}

#[test]
fn an_oversized_packet_is_distinguished_from_an_incomplete_one() {
    let mut packet = vec![0x32, 0x80, 0x80, 0x01];
    packet.extend_from_slice(&[0, 1, b't', 0, 1]);
    assert!(matches!(split(&packet, 1 << 20), Ok(Split::Partial)));
    let Ok(Split::TooLarge(frame)) = split(&packet, 1 << 10) else {
        panic!("taken")
    };
    assert_eq!(frame.size, 16_384 + 4);
    let start = publish_start(frame.first, frame.body, Version::V4).expect("a topic");
    assert_eq!((start.topic, start.packet_id), ("t", 1));
    assert!(split(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01], 1 << 20).is_err());
    assert!(matches!(
        split(&[0x30, 0xff, 0xff, 0xff], 1 << 20),
        Ok(Split::Partial)
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall_over(
        first in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..80), v5 in any::<bool>(),
    ) {
        let _ = split(&body, 64);
        let mut named = vec![0, 4, b'M', b'Q', b'T', b'T', 4 + u8::from(v5)];
        named.extend_from_slice(&body);
        for body in [&body, &named] {
            let _ = connect(whole(0x10, body));
            let _ = connect_too_large(whole(0x10, body));
        }
        for version in [Version::V3, Version::V4, Version::V5] {
            let _ = whole(first, &body).check(version);
            let _ = publish(first, &body, version);
            let _ = publish_start(first, &body, version);
            let _ = subscribe(&body, version);
            let _ = unsubscribe(&body, version);
            let _ = puback(&body, version);
            let _ = pubrel(&body, version);
            let _ = disconnect(&body, version, false);
        }
        let _ = auth(&body);
    }
}
