// eureka-js-client against agents, as its users use it: the arguments are the ports of two agents.
"use strict";
const { Eureka } = require("eureka-js-client");

const [one, other] = process.argv.slice(2).map(Number);
const client = (port, more) =>
  new Eureka({
    instance: {
      app: "js-app", hostName: "127.0.0.1", ipAddr: "127.0.0.1", instanceId: "js:1", vipAddress: "js.vip",
      port: { $: 9601, "@enabled": true },
      dataCenterInfo: { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", name: "MyOwn" },
    },
    eureka: { host: "127.0.0.1", port, servicePath: "/eureka/v2/apps/", heartbeatInterval: 500, registryFetchInterval: 300,
              fetchMetadata: false, useDelta: true, ...more },
    logger: { warn() {}, info() {}, debug() {}, error: console.error },
  });
const started = (client) => new Promise((resolve, reject) => client.start((error) => (error ? reject(error) : resolve())));
const until = (what, wanted) =>
  new Promise((resolve, reject) => {
    const begun = Date.now();
    const look = setInterval(() => {
      if (wanted()) {
        clearInterval(look);
        resolve();
      } else if (Date.now() - begun > 20000) {
        clearInterval(look);
        reject(new Error(what));
      }
    }, 50);
  });

async function main() {
  const registered = client(one, {});
  const watching = client(other, { registerWithEureka: false });
  await started(registered);
  await started(watching);
  const ids = () => watching.getInstancesByAppId("JS-APP").map((instance) => instance.instanceId).join();
  await until("it is found by its application", () => ids() === "js:1");
  await until("it is found by its virtual address", () => watching.getInstancesByVipAddress("js.vip").length === 1);
  await new Promise((resolve, reject) => registered.stop((error) => (error ? reject(error) : resolve())));
  await until("it is gone", () => ids() === "");
  watching.stop();
  console.log("done");
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
