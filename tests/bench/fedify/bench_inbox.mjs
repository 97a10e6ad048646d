// A Fedify server for the inbox figures: it verifies as Fedify does, and its handlers do next to nothing.
//   node bench_inbox.mjs PORT
// It answers for whichever host the request was signed for, and keeps everything in memory: nothing is durable here.
import http from "node:http";
import { Buffer } from "node:buffer";
import { createFederation, generateCryptoKeyPair, MemoryKvStore } from "@fedify/fedify";
import { Accept, Create, Follow, Group } from "@fedify/vocab";

const keys = await generateCryptoKeyPair("RSASSA-PKCS1-v1_5");
const posts = new Map();
let answered = 0;

const federation = createFederation({
  kv: new MemoryKvStore(), allowPrivateAddress: true, firstKnock: "draft-cavage-http-signatures-12",
});
federation
  .setActorDispatcher("/who/{identifier}", (context, name) => new Group({
    id: context.getActorUri(name), preferredUsername: name, inbox: context.getInboxUri(name),
  }))
  .setKeyPairsDispatcher(() => [keys]);
federation
  .setInboxListeners("/who/{identifier}/inbox", "/inbox")
  .on(Create, async (context, create) => {
    const note = await create.getObject(context);
    posts.set(note.id.href, `${note.content}`);
  })
  .on(Follow, async (context, follow) => {
    const follower = await follow.getActor(context);
    const id = new URL(`/did/${crypto.randomUUID()}`, context.origin);
    const accept = new Accept({ id, actor: context.getActorUri("support"), object: follow.id, to: follower.id });
    await context.sendActivity({ identifier: "support" }, follower, accept, { immediate: true });
    answered += 1;
  })
  .onError((_context, error) => console.error(String(error?.stack ?? error)));

const server = http.createServer(async (incoming, outgoing) => {
  try {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method: incoming.method,
      headers: incoming.headers,
      body: incoming.method === "POST" ? Buffer.concat(chunks) : undefined,
    });
    const answer = await federation.fetch(request, { contextData: undefined });
    const body = Buffer.from(await answer.arrayBuffer());
    outgoing.writeHead(answer.status, { ...Object.fromEntries(answer.headers), "content-length": body.length }).end(body);
  } catch (error) {
    console.error(error);
    outgoing.writeHead(500, { "content-length": 0 }).end();
  }
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(JSON.stringify({ ready: true })));
process.stdin.on("data", () => console.log(JSON.stringify({ posts: posts.size, answered })));
process.stdin.on("end", () => process.exit(0));
