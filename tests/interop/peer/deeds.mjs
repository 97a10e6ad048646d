// What a test may ask of the peer. Honest deeds go through Fedify's own sending; `send` puts on the wire what the test says,
// and can spoil the signature in a named way.
import { createHash, randomUUID } from "node:crypto";
import { signObject, signRequest } from "@fedify/fedify";
import { Activity, Create, Delete, Follow, isActor, Like, Mention, Note, PUBLIC_COLLECTION, Tombstone, Undo, Update } from "@fedify/vocab";
import { lookupWebFinger } from "@fedify/webfinger";
import { Temporal } from "@js-temporal/polyfill";
import { SPECS } from "./site.mjs";

const STALE_HOURS = 3;
const ACTIVITY_TYPE = "application/activity+json";

// A handle on a plain-http host: Fedify itself looks acct: up over https only, so the first step is made here
// and Fedify's lookup of the answer has to lead to the same subject.
async function resolve(site, { handle }) {
  const account = `acct:${handle.replace(/^@/, "")}`;
  const host = account.slice(account.lastIndexOf("@") + 1);
  const url = new URL(`http://${host}/.well-known/webfinger`);
  url.searchParams.set("resource", account);
  const answer = await fetch(url, { headers: { accept: "application/jrd+json" } });
  if (!answer.ok) return { status: answer.status };
  const found = await answer.json();
  const self = found.links.find((link) => link.rel === "self" && link.type === ACTIVITY_TYPE);
  const again = await lookupWebFinger(new URL(self.href), { allowPrivateAddress: true });
  const actor = await lookUp(site, self.href);
  return {
    status: answer.status, mediaType: answer.headers.get("content-type"), subject: found.subject,
    subjectById: again?.subject ?? null, id: actor.id.href, kind: actor.constructor.name,
    inbox: actor.inboxId.href, followers: actor.followersId?.href ?? null,
    approves: actor.manuallyApprovesFollowers, name: actor.preferredUsername,
  };
}

async function lookUp(site, uri, as) {
  const name = as ?? [...site.kinds.keys()][0];
  const documentLoader = await site.context.getDocumentLoader({ identifier: name });
  const actor = await site.context.lookupObject(new URL(uri), { documentLoader });
  if (!isActor(actor)) throw new Error(`no actor at ${uri}`);
  return actor;
}

// Fedify signs (RFC 9421 first, then draft-cavage), adds its proofs, and throws on an answer that is not 2xx.
async function deliver(site, as, recipient, activity) {
  try {
    await site.context.sendActivity({ identifier: as }, recipient, activity, { immediate: true });
  } catch (error) {
    return { sent: false, id: activity.id.href, why: String(error) };
  }
  return { sent: true, id: activity.id.href };
}

async function follow(site, { as, actor }) {
  const followed = await lookUp(site, actor, as);
  const activity = new Follow({ id: site.mint("follow"), actor: site.actorUri(as), object: followed.id, to: followed.id });
  return deliver(site, as, followed, activity);
}

async function unfollow(site, { as, actor, follow: followUri }) {
  const followed = await lookUp(site, actor, as);
  const undone = new Follow({ id: new URL(followUri), actor: site.actorUri(as), object: followed.id });
  const activity = new Undo({ id: site.mint("undo"), actor: site.actorUri(as), object: undone, to: followed.id });
  return deliver(site, as, followed, activity);
}

// A public note that mentions a group, as microblogs write one.
async function create(site, { as, actor, content, inReplyTo }) {
  const group = await lookUp(site, actor, as);
  const token = randomUUID();
  const note = new Note({
    id: new URL(`/notes/${token}`, site.base),
    attribution: site.actorUri(as),
    content: `<p>${content}</p>`,
    published: Temporal.Now.instant(),
    to: PUBLIC_COLLECTION,
    ccs: [site.context.getFollowersUri(as), group.id],
    tags: [new Mention({ href: group.id, name: `@${group.preferredUsername}@${group.id.host}` })],
    replyTarget: inReplyTo === undefined ? undefined : new URL(inReplyTo),
  });
  site.notes.set(token, note);
  const activity = new Create({
    id: site.mint("create"), actor: note.attributionId, object: note, to: PUBLIC_COLLECTION, ccs: note.ccIds,
  });
  return { ...(await deliver(site, as, group, activity)), note: note.id.href };
}

const tokenOf = (uri) => new URL(uri).pathname.split("/").at(-1);

async function update(site, { as, actor, note: uri, content }) {
  const group = await lookUp(site, actor, as);
  const note = site.notes.get(tokenOf(uri)).clone({ content: `<p>${content}</p>`, updated: Temporal.Now.instant() });
  site.notes.set(tokenOf(uri), note);
  const activity = new Update({
    id: site.mint("update"), actor: note.attributionId, object: note, to: PUBLIC_COLLECTION, ccs: note.ccIds,
  });
  return deliver(site, as, group, activity);
}

async function remove(site, { as, actor, note: uri }) {
  const group = await lookUp(site, actor, as);
  site.notes.delete(tokenOf(uri));
  const activity = new Delete({
    id: site.mint("delete"), actor: site.actorUri(as), object: new Tombstone({ id: new URL(uri) }),
    to: PUBLIC_COLLECTION, cc: group.id,
  });
  return deliver(site, as, group, activity);
}

async function like(site, { as, actor, object }) {
  const recipient = await lookUp(site, actor, as);
  const activity = new Like({
    id: site.mint("like"), actor: site.actorUri(as), object: new URL(object), to: recipient.id,
  });
  return deliver(site, as, recipient, activity);
}

// How a signature can be wrong. Each takes the place of the honest path at one point, and only there.
const SPOILT = {
  none: {},
  unsigned: { sign: false },
  body: { alterBody: true },
  "body-and-digest": { alterBody: true, digestAgain: true },
  stale: { hoursAgo: STALE_HOURS },
  "foreign-key": { strangersKey: true }, // the sender's key id over a stranger's key
  "foreign-actor": { strangersKey: true, strangersKeyUri: true }, // a stranger's good signature under the sender's activity
};

async function send(site, { as, inbox, activity, spec = "cavage", spoil = "none", stranger, mediaType = ACTIVITY_TYPE }) {
  const wrong = SPOILT[spoil];
  if (wrong === undefined) throw new Error(`unknown way to spoil: ${spoil}`);
  const body = typeof activity === "string" ? activity : JSON.stringify(activity);
  const headers = { "content-type": mediaType, accept: ACTIVITY_TYPE };
  let request = new Request(inbox, { method: "POST", headers, body });
  if (wrong.sign !== false) {
    const [{ privateKey }] = site.keys.get(wrong.strangersKey ? stranger : as);
    const currentTime = Temporal.Now.instant().subtract({ hours: wrong.hoursAgo ?? 0 });
    request = await signRequest(request, privateKey, site.keyUri(wrong.strangersKeyUri ? stranger : as), {
      spec: SPECS[spec], currentTime,
    });
  }
  const sent = wrong.alterBody ? body.replace("honest", "altered") : body;
  const signed = new Headers(request.headers);
  if (wrong.digestAgain) {
    const digest = createHash("sha256").update(sent).digest("base64");
    signed.set("digest", `SHA-256=${digest}`);
    if (signed.has("content-digest")) signed.set("content-digest", `sha-256=:${digest}:`);
  }
  const answer = await fetch(inbox, { method: "POST", headers: signed, body: sent, redirect: "manual" });
  return { status: answer.status, text: await answer.text() };
}

// An activity with the proof of integrity (FEP-8b32) that Fedify makes for one of its actors.
async function prove(site, { as, activity }) {
  const loaders = { documentLoader: site.loader, contextLoader: site.loader };
  const pairs = await site.context.getActorKeyPairs(as);
  const pair = pairs.find(({ privateKey }) => privateKey.algorithm.name === "Ed25519");
  const object = await Activity.fromJsonLd(activity, loaders);
  const signed = await signObject(object, pair.privateKey, pair.multikey.id, loaders);
  // It signs the address of everybody in full, and writes it in short where it is asked for a document like this.
  return signed.toJsonLd({ format: "compact", ...loaders });
}

// Whose proof Fedify finds in a document, or null.
const prover = async (site, { activity }) => ({ owner: await site.prover(activity) });

// The very bytes of a request that arrived earlier, with another body if one is given.
async function repeat(site, { n, text }) {
  const { path, headers, text: honest } = site.arrivals[n];
  const { "content-length": _, connection: __, ...kept } = headers;
  const answer = await fetch(new URL(path, site.base), { method: "POST", headers: kept, body: text ?? honest });
  return { status: answer.status };
}

// A GET by one of the peer's actors, signed or not.
async function get(site, { as, uri, spec = "cavage", accept = ACTIVITY_TYPE }) {
  let request = new Request(uri, { headers: { accept } });
  if (as !== undefined) {
    request = await signRequest(request, site.keys.get(as)[0].privateKey, site.keyUri(as), { spec: SPECS[spec] });
  }
  const answer = await fetch(request, { redirect: "manual" });
  return { status: answer.status, mediaType: answer.headers.get("content-type"), text: await answer.text() };
}

const inbound = (site, { since = 0 }) => site.arrivals.slice(since);
const fetches = (site, { since = 0 }) => site.fetches.slice(since);
const followers = (site, { of }) => [...site.followers.get(of).keys()];

export const deeds = {
  resolve, follow, unfollow, create, update, remove, like, send, prove, prover, repeat, get, inbound, fetches, followers,
};
