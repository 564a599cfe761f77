CREATE TABLE `http_callbacks` (
	`job_id` text NOT NULL,
	`call` text NOT NULL,
	`batch_id` text NOT NULL,
	`content_type` text NOT NULL,
	`body` text NOT NULL,
	`received_at` integer NOT NULL,
	PRIMARY KEY(`job_id`, `call`)
);
--> statement-breakpoint
CREATE INDEX `http_callbacks_batch` ON `http_callbacks` (`batch_id`);