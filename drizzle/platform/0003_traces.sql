-- In which trace work was queued, and the span in which a delivery failed last: as `outbox.trace` has it.
alter table delivery add column trace text;
alter table job add column trace text;
