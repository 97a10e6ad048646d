// Fedify sends one activity to many inboxes, several times: what it costs each time.
//   node bench_send.mjs FILE, with {"inboxes", "rounds", "bytes"} in it
// Sent at once, without a queue, which is the least that Fedify can do.
import fs from "node:fs";
import { createFederation, generateCryptoKeyPair, MemoryKvStore } from "@fedify/fedify";
import { Create, Group, Note, PUBLIC_COLLECTION } from "@fedify/vocab";

const { inboxes, rounds, bytes } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const origin = "http://127.0.0.1:9";
const keys = await generateCryptoKeyPair("RSASSA-PKCS1-v1_5");
const federation = createFederation({
  kv: new MemoryKvStore(), allowPrivateAddress: true, origin, firstKnock: "draft-cavage-http-signatures-12",
});
federation
  .setActorDispatcher("/who/{identifier}", (context, name) => new Group({
    id: context.getActorUri(name), preferredUsername: name, inbox: context.getInboxUri(name),
  }))
  .setKeyPairsDispatcher(() => [keys]);
federation.setInboxListeners("/who/{identifier}/inbox", "/inbox");

const context = federation.createContext(new URL(origin), undefined);
const recipients = inboxes.map((inbox) => ({
  id: new URL(inbox.replace(/\/inbox$/, "")), inboxId: new URL(inbox), endpoints: null,
}));
for (let round = 0; round < rounds; round++) {
  const before = process.cpuUsage();
  const note = new Note({
    id: new URL(`/n/${round}`, origin), attribution: context.getActorUri("support"), content: "x".repeat(bytes),
    to: PUBLIC_COLLECTION,
  });
  const create = new Create({
    id: new URL(`/n/${round}#create`, origin), actor: context.getActorUri("support"), object: note, to: PUBLIC_COLLECTION,
  });
  await context.sendActivity({ identifier: "support" }, recipients, create, { immediate: true });
  const spent = process.cpuUsage(before);
  console.log(JSON.stringify({ sent: recipients.length, cpu_seconds: (spent.user + spent.system) / 1e6 }));
}
process.exit(0);
