// Launches an application with one release of the SDK, and shuts it down: node launch.mjs PACKAGE URL.
// A process of its own, because the SDK's state is global.
const [name, url] = process.argv.slice(2);
const { DBOS } = (await import(name)).default ?? (await import(name));
DBOS.setConfig({ name: 'interop', systemDatabaseUrl: url, runAdminServer: false });
await DBOS.launch();
await DBOS.shutdown();
process.exit(0);
