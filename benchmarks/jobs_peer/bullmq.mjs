// BullMQ doing empty jobs. node bullmq.mjs REDIS_SOCKET JOBS; prints rates and the lateness of timed jobs as JSON.
import { Queue, Worker } from 'bullmq';

const [path, jobs] = [process.argv[2], Number(process.argv[3])];
const batch = 500;
const connection = { path, maxRetriesPerRequest: null };
const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;
const until = async (holds) => { while (!holds()) await new Promise((go) => setTimeout(go, 5)); };
const tidy = { removeOnComplete: true };

let done = 0;
const lateness = [];
const queue = new Queue('bench', { connection });
const worker = new Worker('bench', async (job) => {
  if (job.data.due) lateness.push(Date.now() - job.data.due);
  else done += 1;
}, { connection, concurrency: 200 });

const begun = process.hrtime.bigint();
for (let made = 0; made < jobs; made += batch) {
  await queue.addBulk(Array.from({ length: batch }, (_, n) => ({ name: 'empty', data: { number: n }, opts: tidy })));
}
await until(() => done >= jobs);
const rate = jobs / seconds(begun);

done = 0;
const singles = Math.min(jobs, 10000);
const one = process.hrtime.bigint();
let next = 0;
await Promise.all(Array.from({ length: 200 }, async () => { while (next++ < singles) await queue.add('empty', {}, tidy); }));
await until(() => done >= singles);
const single = singles / seconds(one);

const start = Date.now() + 1500;
const timed = 1000;
for (let made = 0; made < timed; made += batch) {
  await queue.addBulk(Array.from({ length: batch }, (_, n) => {
    const due = start + (made + n) * 5;
    return { name: 'timed', data: { due }, opts: { ...tidy, delay: due - Date.now() } };
  }));
}
await until(() => lateness.length >= timed);
lateness.sort((a, b) => a - b);
const share = (part) => lateness[Math.floor(part * (lateness.length - 1))];
console.log(JSON.stringify({ rate, single, p50: share(0.5), p99: share(0.99), max: share(1) }));
await worker.close();
await queue.close();
process.exit(0);
