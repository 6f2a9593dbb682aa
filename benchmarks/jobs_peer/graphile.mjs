// graphile-worker doing empty jobs. node graphile.mjs POSTGRES_URL JOBS; prints rates and the lateness of timed jobs as JSON.
import { makeWorkerUtils, run, Logger } from 'graphile-worker';

const [connectionString, jobs] = [process.argv[2], Number(process.argv[3])];
const batch = 500;
const quiet = new Logger(() => () => {});
const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;

const utils = await makeWorkerUtils({ connectionString, logger: quiet });
await utils.migrate();

const enqueueBatch = (identifier, times) =>
  utils.withPgClient((client) =>
    client.query(
      `select graphile_worker.add_jobs(array(select json_populate_record(null::graphile_worker.job_spec, spec) from json_array_elements($1::json) spec))`,
      [JSON.stringify(times.map((time, n) => ({ identifier, payload: { number: n, due: time }, ...(time ? { run_at: new Date(time).toISOString() } : {}) })))],
    ));

let done = 0;
const lateness = [];
const taskList = {
  empty: () => { done += 1; },
  timed: (payload) => { lateness.push(Date.now() - payload.due); },
};
const until = async (holds) => { while (!holds()) await new Promise((go) => setTimeout(go, 5)); };

// Made and done at the same time, as on the other side.
const begun = process.hrtime.bigint();
const runner = await run({ connectionString, taskList, concurrency: 24, pollInterval: 1000, maxPoolSize: 30, logger: quiet, noHandleSignals: true });
for (let made = 0; made < jobs; made += batch) await enqueueBatch('empty', Array(batch).fill(null));
await until(() => done >= jobs);
const rate = jobs / seconds(begun);

// One by one, from many callers.
done = 0;
const singles = Math.min(jobs, 10000);
const one = process.hrtime.bigint();
let next = 0;
await Promise.all(Array.from({ length: 24 }, async () => { while (next++ < singles) await utils.addJob('empty', {}); }));
await until(() => done >= singles);
const single = singles / seconds(one);

const start = Date.now() + 1500;
const timed = 1000;
for (let made = 0; made < timed; made += batch) await enqueueBatch('timed', Array.from({ length: batch }, (_, n) => start + (made + n) * 5));
await until(() => lateness.length >= timed);
lateness.sort((a, b) => a - b);
const share = (part) => lateness[Math.floor(part * (lateness.length - 1))];
console.log(JSON.stringify({ rate, single, p50: share(0.5), p99: share(0.99), max: share(1) }));
await runner.stop();
await utils.release();
process.exit(0);
