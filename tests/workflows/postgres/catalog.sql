-- Everything that makes up the schema named by the setting holdfast.schema, one line each, in a fixed
-- order: columns in their order with type, nullness and default; indexes, constraints and triggers as
-- the server prints them; functions by signature, language and pinned settings, not by body.
WITH wanted AS (
  SELECT oid AS namespace FROM pg_namespace WHERE nspname = current_setting('holdfast.schema')
),
lines (kind, owner, place, line) AS (
  SELECT 1, c.relname, a.attnum,
         format('column %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
                coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
  FROM wanted
  JOIN pg_class c ON c.relnamespace = namespace AND c.relkind IN ('r', 'p', 'v', 'm')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT 2, tablename, row_number() OVER (PARTITION BY tablename ORDER BY indexname),
         'index ' || indexdef
  FROM pg_indexes WHERE schemaname = current_setting('holdfast.schema')
  UNION ALL
  SELECT 3, c.relname, row_number() OVER (PARTITION BY c.relname ORDER BY k.conname),
         format('constraint %s.%s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
  FROM wanted JOIN pg_constraint k ON k.connamespace = namespace
  JOIN pg_class c ON c.oid = k.conrelid
  UNION ALL
  SELECT 4, c.relname, row_number() OVER (PARTITION BY c.relname ORDER BY t.tgname),
         'trigger ' || pg_get_triggerdef(t.oid)
  FROM wanted JOIN pg_class c ON c.relnamespace = namespace
  JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
  UNION ALL
  SELECT 5, p.proname, 0,
         format('function %s(%s) returns %s language %s volatility %s strict %s definer %s settings %s',
                p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                l.lanname, p.provolatile, p.proisstrict, p.prosecdef,
                coalesce(array_to_string(p.proconfig, '; '), 'none'))
  FROM wanted JOIN pg_proc p ON p.pronamespace = namespace
  JOIN pg_language l ON l.oid = p.prolang
  UNION ALL
  SELECT 6, c.relname, 0, format('sequence %s', c.relname)
  FROM wanted JOIN pg_class c ON c.relnamespace = namespace AND c.relkind = 'S'
  UNION ALL
  SELECT 7, t.typname, 0, format('type %s', t.typname)
  FROM wanted JOIN pg_type t ON t.typnamespace = namespace AND t.typtype IN ('e', 'd')
)
SELECT line FROM lines ORDER BY kind, owner COLLATE "C", place, line COLLATE "C"
