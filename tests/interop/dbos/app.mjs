// An application on DBOS's own SDK beside our worker: node app.mjs URL. Prints "ready", then for each
// line of input runs its workflow with that text and prints what it gave, as JSON. The workflow has a
// step of its own, enqueues one of ours on queue "conf" and waits for its result.
import { createInterface } from 'node:readline';

const sdk = await import('@dbos-inc/dbos-sdk');
const { DBOS } = sdk.default ?? sdk;
DBOS.setConfig({ name: 'theirs', systemDatabaseUrl: process.argv[2], applicationVersion: 't1' });

const askOurs = DBOS.registerWorkflow(async (text) => {
  const prefix = await DBOS.runStep(async () => 'from theirs: ', { name: 'prefix' });
  const handle = await DBOS.enqueueWorkflowWithOptions(
    { queueName: 'conf', workflowName: 'conf_echo', appVersion: 'v1', applicationName: 'interop' },
    prefix, text);
  return handle.getResult({ pollingIntervalMs: 25 });
}, { name: 'askOurs' });

await DBOS.launch();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await askOurs(line)));
}
await DBOS.shutdown();
process.exit(0);
