-- A catalogue file on its way in. Its rows are staged here first, so that any worker can apply them and go on
-- where another one stopped. `ready` is set with the job that applies it.
create table catalogue_import (
  id uuid primary key,
  ready boolean not null default false,
  created_at timestamptz(3) not null default now()
);

-- Rows in file order without gaps, each either read or explained.
create table catalogue_import_row (
  import_id uuid not null references catalogue_import on delete cascade,
  ordinal integer not null,
  line integer not null,
  sku text collate "C",
  content jsonb,
  error text,
  primary key (import_id, ordinal),
  check ((content is null) = (sku is null)),
  check ((content is null) <> (error is null))
);
create index catalogue_import_row_sku on catalogue_import_row (import_id, sku, ordinal);
