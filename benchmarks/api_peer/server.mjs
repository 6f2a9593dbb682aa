// The usual way: express, a bearer token looked up by its hash, express-rate-limit over rate-limit-redis, a list as JSON.
// Usage: node server.mjs PORT REDIS_SOCKET TOKEN < the list's body
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { createClient } from 'redis';

const [port, socket, token] = process.argv.slice(2);
const list = JSON.parse(readFileSync(0, 'utf8'));
const hash = (text) => createHash('sha256').update(text).digest('hex');
const users = new Map([[hash(token), { id: 'user-1', role: 'player' }]]);

const redis = createClient({ socket: { path: socket } });
await redis.connect();

const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.use('/api', (request, response, next) => {
  const field = request.headers.authorization ?? '';
  const user = field.startsWith('Bearer ') ? users.get(hash(field.slice(7))) : undefined;
  if (!user) return response.status(401).json({ title: 'Unauthorized' });
  request.user = user;
  next();
});
app.use('/api', rateLimit({
  windowMs: 60_000,
  limit: 1_000_000_000,
  standardHeaders: 'draft-7',
  legacyHeaders: false,
  keyGenerator: (request) => request.user.id,
  store: new RedisStore({ sendCommand: (...words) => redis.sendCommand(words) }),
}));
app.get('/api/v1/instances', (request, response) => response.json(list));
app.listen(Number(port), '127.0.0.1', () => console.log('ready'));
