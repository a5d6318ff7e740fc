-- Who pinned a reservation last: only they unpin it. An unpin that comes late, from a process that was stopped, must
-- not let stock expire under the charge that another payment has under way. Null: pinned as it was reserved.
alter table reservation add column pinned_by uuid;
