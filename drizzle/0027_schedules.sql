CREATE TABLE `schedule_runs` (
	`schedule_id` text NOT NULL,
	`due_at` integer NOT NULL,
	`outcome` text NOT NULL,
	`by_hand` integer NOT NULL,
	`batch_id` text,
	`error_code` text,
	`error_message` text,
	`at` integer NOT NULL,
	PRIMARY KEY(`schedule_id`, `due_at`)
);
--> statement-breakpoint
CREATE TABLE `schedules` (
	`id` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`name` text NOT NULL,
	`cron` text NOT NULL,
	`timezone` text NOT NULL,
	`operation` text NOT NULL,
	`input` text,
	`items` text NOT NULL,
	`item_count` integer NOT NULL,
	`options` text NOT NULL,
	`bytes` integer NOT NULL,
	`overlap` text NOT NULL,
	`next_at` integer,
	`paused_at` integer,
	`last_batch_id` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `schedules_name` ON `schedules` (`owner`,`name`);--> statement-breakpoint
CREATE INDEX `schedules_owner` ON `schedules` (`owner`,`id`);--> statement-breakpoint
CREATE INDEX `schedules_next` ON `schedules` (`next_at`) WHERE next_at IS NOT NULL;