// One host of the peer: its people and groups, what they have published, and what has arrived for them.
// Everything that matters on the wire (discovery, signatures in both directions, vocabulary) is Fedify's.
import http from "node:http";
import { Buffer } from "node:buffer";
import {
  createFederation, generateCryptoKeyPair, getDocumentLoader, MemoryKvStore, verifyObject, verifyRequestDetailed,
} from "@fedify/fedify";
import {
  Accept, Activity, Announce, Create, Endpoints, Follow, Group, Note, Person, PUBLIC_COLLECTION, Undo,
} from "@fedify/vocab";

const MAX_BODY_BYTES = 1_048_576;
export const SPECS = { cavage: "draft-cavage-http-signatures-12", rfc9421: "rfc9421" };

export class Site {
  // `speaks` is how it signs what it sends first: what Fedify itself prefers, or "cavage" as most servers do.
  constructor({ host, port = 0, people = ["ada"], groups = [], answersFollows = true, speaks = "rfc9421" }) {
    Object.assign(this, { host, port, answersFollows, speaks });
    this.kinds = new Map([...people.map((name) => [name, Person]), ...groups.map((name) => [name, Group])]);
    this.followers = new Map([...this.kinds.keys()].map((name) => [name, new Map()]));
    this.keys = new Map();
    this.notes = new Map(); // id token -> Note
    this.arrivals = []; // every POST to an inbox
    this.fetches = []; // every GET but the well-known ones
    this.loader = getDocumentLoader({ allowPrivateAddress: true });
  }

  async open() {
    this.server = http.createServer((request, response) => {
      this.serve(request, response).catch((error) => {
        console.error(error);
        response.writeHead(500).end();
      });
    });
    await new Promise((ready) => this.server.listen(this.port, this.host, ready));
    this.base = `http://${this.host}:${this.server.address().port}`;
    for (const name of this.kinds.keys()) {
      this.keys.set(name, [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"), await generateCryptoKeyPair("Ed25519")]);
    }
    this.federation = this.describe();
    return this;
  }

  // What one speaks for when there is no request: for sending, and for looking things up.
  get context() { return this.federation.createContext(new URL(this.base), undefined); }
  actorUri(name) { return this.context.getActorUri(name); }
  keyUri(name) { return new URL("#main-key", this.actorUri(name)); }

  describe() {
    const federation = createFederation({
      kv: new MemoryKvStore(), allowPrivateAddress: true, origin: this.base, firstKnock: SPECS[this.speaks],
    });
    federation.setNodeInfoDispatcher("/nodeinfo/2.1", () => ({
      software: { name: "kinfold-test-peer", version: "0.0.0" },
      protocols: ["activitypub"],
      usage: { users: {}, localPosts: 0, localComments: 0 },
    }));
    federation
      .setActorDispatcher("/who/{identifier}", (context, name) => this.actor(context, name))
      .setKeyPairsDispatcher((_context, name) => this.keys.get(name) ?? []);
    federation.setFollowersDispatcher("/who/{identifier}/followers", (_context, name) => ({
      items: [...(this.followers.get(name)?.values() ?? [])],
    }));
    federation.setOutboxDispatcher("/who/{identifier}/outbox", () => ({ items: [] }));
    federation.setObjectDispatcher(Note, "/notes/{token}", (_context, { token }) => this.notes.get(token) ?? null);
    federation
      .setInboxListeners("/who/{identifier}/inbox", "/inbox")
      .on(Follow, (context, follow) => this.onFollow(context, follow))
      .on(Undo, (context, undo) => this.onUndo(context, undo))
      .on(Create, (context, create) => this.onCreate(context, create))
      .on(Activity, () => {}) // the rest is only listed
      .setSharedKeyDispatcher(() => ({ identifier: [...this.kinds.keys()][0] }));
    return federation;
  }

  async actor(context, name) {
    const Kind = this.kinds.get(name);
    if (Kind === undefined) return null;
    const pairs = await context.getActorKeyPairs(name);
    return new Kind({
      id: context.getActorUri(name),
      preferredUsername: name,
      name: `${name} of the test peer`,
      url: context.getActorUri(name),
      inbox: context.getInboxUri(name),
      outbox: context.getOutboxUri(name),
      followers: context.getFollowersUri(name),
      endpoints: new Endpoints({ sharedInbox: context.getInboxUri() }),
      manuallyApprovesFollowers: !this.answersFollows,
      publicKey: pairs[0].cryptographicKey,
      assertionMethods: pairs.map((pair) => pair.multikey),
    });
  }

  nameOf(uri) {
    const parsed = uri == null ? null : this.context.parseUri(uri);
    return parsed?.type === "actor" && this.kinds.has(parsed.identifier) ? parsed.identifier : null;
  }

  async onFollow(context, follow) {
    const name = this.nameOf(follow.objectId);
    const follower = await follow.getActor(context);
    if (name === null || follower === null || !this.answersFollows) return;
    this.followers.get(name).set(follower.id.href, follower);
    const accept = new Accept({ id: this.mint("accept"), actor: follow.objectId, object: follow, to: follower.id });
    await context.sendActivity({ identifier: name }, follower, accept, { immediate: true });
  }

  async onUndo(context, undo) {
    const undone = await undo.getObject(context);
    const name = undone instanceof Follow ? this.nameOf(undone.objectId) : null;
    if (name !== null) this.followers.get(name).delete(undo.actorId.href);
  }

  // A group spreads what its followers address to it: the activity for readers of groups, the object for microblogs.
  async onCreate(context, create) {
    const addressed = [...create.toIds, ...create.ccIds].map((uri) => uri.href);
    for (const [name, Kind] of this.kinds) {
      const group = this.actorUri(name);
      if (Kind !== Group || !addressed.includes(group.href) || !this.followers.get(name).has(create.actorId.href)) continue;
      for (const object of [create, create.objectId]) {
        const announce = new Announce({
          id: this.mint("announce"), actor: group, object, to: PUBLIC_COLLECTION, cc: context.getFollowersUri(name),
        });
        await context.sendActivity({ identifier: name }, [...this.followers.get(name).values()], announce, { immediate: true });
      }
    }
  }

  mint(kind) { return new URL(`/did/${kind}-${crypto.randomUUID()}`, this.base); }

  async serve(incoming, outgoing) {
    const body = await readBody(incoming);
    if (body === null) return outgoing.writeHead(413).end();
    const request = new Request(new URL(incoming.url, this.base), {
      method: incoming.method,
      headers: Object.entries(incoming.headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value])),
      body: incoming.method === "POST" ? body : undefined,
    });
    const path = new URL(request.url).pathname;
    const signature = await this.verdict(request);
    if (request.method === "GET" && !/^\/(\.well-known|nodeinfo)/.test(path)) {
      this.fetches.push({ n: this.fetches.length, path, accept: request.headers.get("accept"), ...signature });
    }
    const answer = await this.federation.fetch(request, { contextData: undefined });
    if (request.method === "POST") {
      const activity = parsed(body);
      const proven = await Promise.all([activity, activity?.object].map((document) => this.prover(document)));
      const headers = Object.fromEntries(request.headers);
      this.arrivals.push({
        n: this.arrivals.length, path, status: answer.status, activity, ...signature, proven, headers, text: body.toString("utf8"),
      });
    }
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    outgoing.end(Buffer.from(await answer.arrayBuffer()));
  }

  // Whose proof of integrity a document bears, or null where Fedify finds none that holds.
  async prover(document) {
    if (typeof document !== "object" || document?.proof === undefined) return null;
    const loaders = { documentLoader: this.loader, contextLoader: this.loader };
    const activity = await verifyObject(Activity, document, loaders).catch(() => null);
    return activity?.actorId?.href ?? null;
  }

  // Which signature a request bears, whether it verifies, and whose key that is.
  async verdict(request) {
    const scheme = request.headers.has("signature-input") ? "rfc9421" : request.headers.has("signature") ? "cavage" : null;
    if (scheme === null) return { scheme, verified: false, owner: null, why: "unsigned" };
    const result = await verifyRequestDetailed(request.clone(), {
      spec: SPECS[scheme], documentLoader: this.loader, contextLoader: this.loader,
    });
    if (!result.verified) return { scheme, verified: false, owner: null, why: result.reason.type };
    return { scheme, verified: true, owner: result.key.ownerId?.href ?? null, why: null };
  }
}

async function readBody(incoming) {
  const chunks = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parsed(body) {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
}
