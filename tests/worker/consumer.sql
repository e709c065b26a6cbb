-- What a job of the test's consumer may ask for.

-- name: note
-- $1 job, $2 word
insert into noted (job_id, word) values ($1::bigint, $2);

-- name: question
select count(*) from noted;
