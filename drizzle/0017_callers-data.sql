ALTER TABLE `batches` ADD `metadata` text;--> statement-breakpoint
ALTER TABLE `events` ADD `item_id` text;--> statement-breakpoint
ALTER TABLE `events` ADD `attempt` integer;--> statement-breakpoint
ALTER TABLE `events` ADD `max_attempts` integer;--> statement-breakpoint
ALTER TABLE `events` ADD `started_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `item_id` text;--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_item` ON `jobs` (`batch_id`,`item_id`) WHERE item_id IS NOT NULL;