// The npm package `consul` against agents, as its users use it: the arguments are the ports of two agents.
"use strict";
const assert = require("node:assert");
const Consul = require("consul");

const [one, other] = process.argv.slice(2).map((port) => new Consul({ host: "127.0.0.1", port: Number(port) }));

async function main() {
  // A watch of the library itself: blocking queries, one after the other.
  const watch = other.watch({ method: other.health.service, options: { service: "js-web", passing: true, wait: "10s" } });
  const seen = [];
  const waiting = [];
  const look = () => waiting.forEach((wait) => wait());
  watch.on("change", (entries) => {
    seen.push(entries.map((entry) => entry.Service.ID).sort().join());
    look();
  });
  watch.on("error", (error) => seen.push(String(error)) && look());
  const until = (wanted) =>
    new Promise((resolve) => {
      const wait = () => seen[seen.length - 1] === wanted && resolve();
      waiting.push(wait);
      wait();
    });

  await one.agent.service.register({ name: "js-web", id: "js1", address: "127.0.0.1", port: 9101, tags: ["x"], check: { ttl: "30s" } });
  await one.agent.service.register({ name: "js-web", id: "js2", address: "127.0.0.1", port: 9102 });
  await until("js2");
  await one.agent.check.pass("service:js1");
  await until("js1,js2");
  assert.deepStrictEqual((await other.catalog.service.list())["js-web"], ["x"]);
  assert.strictEqual((await other.catalog.service.nodes("js-web")).length, 2);
  assert.strictEqual((await other.catalog.node.list()).length, 2);
  assert.ok((await one.agent.service.list()).js1);
  assert.strictEqual((await other.health.checks({ service: "js-web" })).length, 1);
  assert.ok(await other.status.leader());
  await one.agent.check.fail({ id: "service:js1", note: "broken" });
  await until("js2");
  await one.agent.service.deregister("js2");
  await until("");
  watch.end();
  console.log("done");
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
