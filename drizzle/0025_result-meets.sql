ALTER TABLE `results` ADD `meet` text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE INDEX `results_meet` ON `results` (`owner`,`swimmer`,`meet`,`batch_id`);