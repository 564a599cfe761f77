CREATE TABLE `batches` (
	`id` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`operation` text NOT NULL,
	`status` text NOT NULL,
	`input` text NOT NULL,
	`total` integer NOT NULL,
	`completed` integer DEFAULT 0 NOT NULL,
	`failed` integer DEFAULT 0 NOT NULL,
	`cancelled` integer DEFAULT 0 NOT NULL,
	`facts` text NOT NULL,
	`tallies` text NOT NULL,
	`last_seq` integer DEFAULT 0 NOT NULL,
	`progress_version` integer DEFAULT 0 NOT NULL,
	`concurrency` integer,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer,
	`cancel_requested_at` integer
);
--> statement-breakpoint
CREATE INDEX `batches_owner` ON `batches` (`owner`,`id`);--> statement-breakpoint
CREATE INDEX `batches_finished` ON `batches` (`finished_at`);--> statement-breakpoint
CREATE TABLE `owners` (
	`owner` text PRIMARY KEY NOT NULL,
	`last_turn` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `owners_last_turn` ON `owners` (`last_turn`);--> statement-breakpoint
CREATE TABLE `events` (
	`batch_id` text NOT NULL,
	`seq` integer NOT NULL,
	`type` text NOT NULL,
	`job_id` text,
	`job_sequence` integer,
	`at` integer NOT NULL,
	`data` text NOT NULL,
	PRIMARY KEY(`batch_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `documents` (
	`owner` text NOT NULL,
	`md5` text NOT NULL,
	`parser` integer NOT NULL,
	`blob_key` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `md5`, `parser`)
);
--> statement-breakpoint
CREATE TABLE `results` (
	`code` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`batch_id` text NOT NULL,
	`job_id` text NOT NULL,
	`md5` text NOT NULL,
	`parser` integer NOT NULL,
	`swimmer` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `results_cache` ON `results` (`owner`,`md5`,`swimmer`,`parser`);--> statement-breakpoint
CREATE INDEX `results_batch` ON `results` (`batch_id`);--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`batch_id` text NOT NULL,
	`owner` text NOT NULL,
	`operation` text NOT NULL,
	`sequence` integer NOT NULL,
	`status` text NOT NULL,
	`label` text,
	`input` text NOT NULL,
	`turn` integer NOT NULL,
	`run_at` integer,
	`attempt` integer DEFAULT 0 NOT NULL,
	`losses` integer DEFAULT 0 NOT NULL,
	`max_attempts` integer NOT NULL,
	`lease` text,
	`lease_until` integer,
	`progress_percent` integer DEFAULT 0 NOT NULL,
	`progress_message` text,
	`stage` text,
	`checkpoint` text,
	`result` text,
	`summary` text,
	`error_code` text,
	`error_message` text,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_batch_sequence` ON `jobs` (`batch_id`,`sequence`);--> statement-breakpoint
CREATE INDEX `jobs_ready` ON `jobs` (`turn`) WHERE status = 'ready';--> statement-breakpoint
CREATE INDEX `jobs_scheduled` ON `jobs` (`run_at`) WHERE status = 'scheduled';--> statement-breakpoint
CREATE INDEX `jobs_held` ON `jobs` (`batch_id`,`sequence`) WHERE status = 'held';--> statement-breakpoint
CREATE INDEX `jobs_running` ON `jobs` (`lease_until`) WHERE status = 'running';--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`owner` text NOT NULL,
	`name` text NOT NULL,
	`scopes` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_hash` ON `keys` (`hash`);--> statement-breakpoint
CREATE TABLE `secrets` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `uploads` (
	`key` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`batch_id` text NOT NULL,
	`filename` text NOT NULL,
	`size` integer NOT NULL,
	`md5` text NOT NULL,
	`sha256` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `uploads_batch` ON `uploads` (`batch_id`);--> statement-breakpoint
CREATE TABLE `workers` (
	`id` text PRIMARY KEY NOT NULL,
	`host` text NOT NULL,
	`pid` integer NOT NULL,
	`started_at` integer NOT NULL,
	`seen_at` integer NOT NULL
);
