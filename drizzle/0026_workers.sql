CREATE TABLE `declared_operations` (
	`owner` text NOT NULL,
	`name` text NOT NULL,
	`definition` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `name`)
);
--> statement-breakpoint
CREATE TABLE `queue_workers` (
	`queue` text NOT NULL,
	`owner` text NOT NULL,
	`seen_at` integer NOT NULL,
	PRIMARY KEY(`queue`, `owner`)
);
--> statement-breakpoint
ALTER TABLE `batches` ADD `queue` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `queue` text;--> statement-breakpoint
CREATE INDEX `jobs_offered` ON `jobs` (`queue`,`turn`) WHERE status = 'offered';--> statement-breakpoint
CREATE INDEX `jobs_offered_owner` ON `jobs` (`queue`,`owner`,`turn`) WHERE status = 'offered';--> statement-breakpoint
CREATE INDEX `jobs_offered_placed` ON `jobs` (`queue`,`owner`,`place`) WHERE status = 'offered' AND place IS NOT NULL;