ALTER TABLE `http_callbacks` ADD `outcome` text DEFAULT 'completed' NOT NULL;--> statement-breakpoint
ALTER TABLE `http_callbacks` ADD `retry_after_ms` integer;