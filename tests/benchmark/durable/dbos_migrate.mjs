// Makes the peer's tables with the peer's own migration.
import { DBOS } from '@dbos-inc/dbos-sdk';

await DBOS.migrate(process.argv[2]);
process.exit(0);
