// The npm client as anybody uses it, against a range and against the bare layers. Environment: URL, TOKEN, OTHER, ECHO.
// One line of JSON on standard output for each thing that it has seen.
import assert from 'node:assert/strict';
import { io } from 'socket.io-client';

const { URL: url, TOKEN: token, OTHER: other, ECHO: echo } = process.env;
const say = (name, value) => console.log(JSON.stringify({ name, value }));
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...values) => resolve(values)));
const opened = async (to, options) => {
  const socket = io(to, { forceNew: true, ...options });
  socket.on('connect_error', (error) => say('connect_error', { message: error.message, data: error.data ?? null }));
  await once(socket, 'connect');
  return socket;
};

/** It may have gone over before anybody looks. */
const upgraded = async ({ io: { engine } }) => { if (engine.transport.name !== 'websocket') await once(engine, 'upgrade'); };

// Both transports, and the way from one to the other.
for (const transports of [['polling', 'websocket'], ['websocket'], ['polling']]) {
  const socket = await opened(echo, { transports });
  if (transports.length === 2) await upgraded(socket);
  const bytes = Buffer.from([1, 2, 3]);
  const answer = await socket.timeout(5000).emitWithAck('message-with-ack', 'text', bytes, { deep: [bytes] });
  socket.emit('message', 1, bytes);
  const [one, back] = await once(socket, 'message-back');
  assert.equal(one, 1);
  assert.deepEqual([...back], [1, 2, 3]);
  socket.on('question', (text, reply) => reply(`${text}!`));
  socket.emit('ask-me', 'well');
  const [answered] = await once(socket, 'answered');
  say('transport', { asked: transports, ends: socket.io.engine.transport.name, ack: answer ?? null, answered });
  const custom = socket.io.socket('/custom');
  custom.connect();
  await once(custom, 'connect');
  custom.emit('message', 'there');
  assert.deepEqual(await once(custom, 'message-back'), ['there']);
  socket.io._close();
}

// A range: rooms, and a connection that breaks and comes back.
const speaker = await opened(url, { auth: { token: other } });
await speaker.emitWithAck('join', 'chat:lobby');
const listener = await opened(url, { auth: { token }, transports: ['websocket'], reconnectionDelay: 300, reconnectionDelayMax: 300 });
say('joined', await listener.emitWithAck('join', 'chat:lobby'));
say('refused', await listener.emitWithAck('join', 'events'));
const heard = [];
listener.on('message', (message) => heard.push(message.text));
await speaker.emitWithAck('say', 'chat:lobby', { text: 'one' });
while (heard.length < 1) await once(listener, 'message');
const away = once(listener, 'disconnect');
listener.io.engine.close();
await away;
await speaker.emitWithAck('say', 'chat:lobby', { text: 'two' });
await once(listener, 'connect');
while (heard.length < 2) await once(listener, 'message');
await speaker.emitWithAck('say', 'chat:lobby', { text: 'three' });
while (heard.length < 3) await once(listener, 'message');
await upgraded(speaker);
say('carried', [speaker.io.engine.transport.name, listener.io.engine.transport.name]);
say('recovered', { recovered: listener.recovered, heard });

const nobody = io(url, { auth: { token: 'ty_wrong' }, forceNew: true });
const [error] = await once(nobody, 'connect_error');
say('nobody', { message: error.message, reason: error.data.reason });
process.exit(0);
