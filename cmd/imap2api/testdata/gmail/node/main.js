// Keeps a mailbox level by Google's own Node client of the Gmail API, as the guide to synchronising clients says:
// a full sync first, then histories. For each line on standard input it syncs once and writes one line of JSON:
// the labels of each message. A line with a change is carried out instead; then the labels in the answer are written.
'use strict';

const readline = require('node:readline');
const {gmail, auth} = require('@googleapis/gmail');

const client = new auth.OAuth2();
client.setCredentials({access_token: process.env.GMAIL_TOKEN});
const users = gmail({version: 'v1', auth: client, rootUrl: process.env.GMAIL_ROOT}).users;
const userId = process.env.GMAIL_USER;

let messages = null; // labels by id
let historyId = '';

function set(id, labels) {
  messages[id] = [...new Set(labels)].sort();
}

async function full() {
  historyId = (await users.getProfile({userId})).data.historyId;
  messages = {};
  for (let pageToken; ;) {
    const page = (await users.messages.list({userId, pageToken, maxResults: 11, includeSpamTrash: true})).data;
    for (const {id} of page.messages ?? []) {
      const message = (await users.messages.get({userId, id, format: 'metadata', metadataHeaders: ['Subject', 'From']})).data;
      if (!message.payload.headers.some(h => h.name === 'Subject')) throw new Error(`${id} has no Subject`);
      set(id, message.labelIds ?? []);
    }
    pageToken = page.nextPageToken;
    if (!pageToken) return;
  }
}

async function partial() {
  for (let pageToken; ;) {
    const page = (await users.history.list({userId, startHistoryId: historyId, pageToken, maxResults: 5})).data;
    for (const record of page.history ?? []) {
      for (const {message} of record.messagesAdded ?? []) set(message.id, message.labelIds ?? []);
      for (const {message} of record.messagesDeleted ?? []) delete messages[message.id];
      for (const {message, labelIds} of record.labelsAdded ?? []) set(message.id, [...messages[message.id], ...labelIds]);
      for (const {message, labelIds} of record.labelsRemoved ?? []) {
        set(message.id, messages[message.id].filter(l => !labelIds.includes(l)));
      }
    }
    pageToken = page.nextPageToken;
    if (!pageToken) {
      historyId = page.historyId;
      return;
    }
  }
}

// What a client meets besides: errors of the client's own type, attachments, threads.
async function checks() {
  try {
    await users.messages.get({userId, id: 'ffffffffffff'});
    throw new Error('an unknown message was found');
  } catch (err) {
    if (err.response?.data?.error?.errors?.[0]?.reason !== 'notFound') throw err;
  }
  const {threads} = (await users.threads.list({userId, maxResults: 1})).data;
  const thread = (await users.threads.get({userId, id: threads[0].id, format: 'full'})).data;
  for (const message of thread.messages) {
    for (const part of message.payload.parts ?? []) {
      if (!part.body.attachmentId) continue;
      const got = (await users.messages.attachments.get({userId, messageId: message.id, id: part.body.attachmentId})).data;
      if (Buffer.from(got.data, 'base64url').length !== part.body.size) throw new Error('an attachment has another size');
    }
  }
}

async function write({do: method, ids, add, remove}) {
  const requestBody = {addLabelIds: add ?? [], removeLabelIds: remove ?? []};
  if (method === 'batchModify') {
    await users.messages.batchModify({userId, requestBody: {...requestBody, ids}});
    return {};
  }
  const params = {userId, id: ids[0], ...(method === 'modify' ? {requestBody} : {})};
  const {data} = await users.messages[method](params);
  return {[data.id]: data.labelIds ?? []};
}

async function main() {
  await checks();
  for await (const line of readline.createInterface({input: process.stdin})) {
    if (line) {
      console.log(JSON.stringify(await write(JSON.parse(line))));
      continue;
    }
    await (messages ? partial() : full());
    console.log(JSON.stringify(messages));
  }
}

main().catch(err => {
  console.error(err.response?.data ?? err);
  process.exit(1);
});
