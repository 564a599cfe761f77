ALTER TABLE `events` ADD `filename` text;--> statement-breakpoint
ALTER TABLE `events` ADD `url` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `url` text;