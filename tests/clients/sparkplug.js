// Eclipse Tahu's sparkplug-client as edge nodes: one at a broker that ingest subscribes to, one at ingest's listener.
//
//     node sparkplug.js BROKER-URL LISTENER-URL
//
// The node at the broker waits for its host's STATE. When the host comes back after a kill, the node continues with data
// only. The host, which no longer knows the birth, must request one (NCMD) and gets it. The node prints its readings as
// lines for check.py: first those at the listener, then those at the broker before and after the kill.
"use strict";

const mqtt = require("mqtt");
const sparkplug = require("sparkplug-client");
const version = require("sparkplug-client/package.json").version;

const [broker, listener] = process.argv.slice(2);
const FIELD = "Energy/Total";
const ALIAS = 7;
const DEVICE = "m-1";
const PATIENCE_MS = 120_000;

// The civil day in Asia/Shanghai before the day on which the run began.
const dayMs = 86_400_000;
const eastMs = 8 * 3_600_000;
const beganMs = Number(process.env.CLIENTS_BEGAN) * 1000;
const dawnMs = Math.floor((beganMs + eastMs) / dayMs) * dayMs - eastMs - dayMs;
const at = (hour) => dawnMs + hour * 3_600_000;

function say(client, enterprise, readings) {
  const line = { client, enterprise, meter: DEVICE, kind: "register", unit: "kWh", qos: 0, readings };
  console.log(JSON.stringify(line));
}

// An edge node with one device, whose register has been read at `readings`.
class Node {
  constructor(serverUrl, group, type, options) {
    this.type = type;
    this.options = options;
    this.readings = [];
    this.client = sparkplug.newClient({
      serverUrl, username: "node", password: "node", groupId: group, edgeNode: "edge-1", clientId: `${group}-edge-1`,
    });
    this.client.on("error", (error) => fail(`${group}: ${error}`));
  }

  metric(extra) {
    const [timestamp, value] = this.readings.at(-1);
    return { alias: ALIAS, value: Number(value), type: this.type, timestamp, ...extra };
  }

  // NBIRTH and DBIRTH, which names the metric and has its last value.
  bear() {
    const rebirth = { name: "Node Control/Rebirth", type: "Boolean", value: false };
    const supply = { name: "Supply Voltage", alias: 1, type: "Float", value: 24.5 };
    const timestamp = Date.now();
    this.client.publishNodeBirth({ timestamp, metrics: [rebirth, supply] }, this.options);
    const own = { name: "Meter/Serial", alias: 8, type: "String", value: "A-0001" };
    this.client.publishDeviceBirth(DEVICE, { timestamp, metrics: [this.metric({ name: FIELD }), own] }, this.options);
  }

  // DDATA of a new reading, with only its alias.
  read(hour, value) {
    this.readings.push([at(hour), value]);
    this.client.publishDeviceData(DEVICE, { timestamp: Date.now(), metrics: [this.metric()] }, this.options);
  }
}

function fail(what) {
  console.error(what);
  process.exit(1);
}

// The listener is not a broker: it refuses the subscription to commands, but accepts births and data.
function direct(group, type, values, options, told) {
  const node = new Node(listener, group, type, options);
  node.client.on("birth", () => {
    node.readings.push([at(8), values[0]]);
    node.bear();
    values.slice(1).forEach((value, n) => node.read(9 + n, value));
    say(told, group, node.readings);
    node.client.stop();
  });
}

function behindBroker() {
  const group = "sparkplug-broker";
  const node = new Node(broker, group, "Double");
  const host = mqtt.connect(broker);
  let since = 0;
  let times = 0;
  let asked = 0;

  const done = () => {
    node.client.stop();
    host.end();
    clearTimeout(patience);
  };
  node.client.on("ncmd", (command) => {
    if (!command.metrics.some((metric) => metric.name === "Node Control/Rebirth" && metric.value === true)) {
      fail(`an unknown command: ${JSON.stringify(command)}`);
    }
    asked += 1;
    node.bear();
    node.read(12, "71000.75");
    say(`sparkplug-client ${version} after a kill and ${asked} request for its birth`, group, node.readings);
    done();
  });
  host.on("message", (_topic, payload) => {
    const { online, timestamp } = JSON.parse(payload);
    if (!online || timestamp <= since) return;
    since = timestamp;
    times += 1;
    if (times === 1) {
      node.readings.push([at(8), "70000.125"]);
      node.bear();
      node.read(9, "70003.5");
      node.read(10, "70010.0625");
      say(`sparkplug-client ${version} at a broker`, group, node.readings);
    } else {
      node.read(11, "70020.5");
    }
  });
  node.client.on("birth", () => host.subscribe("spBv1.0/STATE/greenpark", { qos: 1 }));
}

const patience = setTimeout(() => fail("the host did not say what it should"), PATIENCE_MS);
const counted = ["123456", "123460", "123475"];
const here = `sparkplug-client ${version} at the listener`;
direct("sparkplug-listener", "UInt64", counted, undefined, here);
direct("sparkplug-deflate", "Float", ["0.125", "3.5", "1000.25"], { compress: true }, `${here}, compressed`);
direct("sparkplug-gzip", "Int32", counted, { compress: true, algorithm: "GZIP" }, `${here}, by GZIP`);
behindBroker();
