CREATE TABLE `activities` (
	`owner` text NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`activity_type` text NOT NULL,
	`difficulty` text NOT NULL,
	`duration_minutes` integer NOT NULL,
	`materials_needed` text NOT NULL,
	`age_range` text,
	`special_needs_adaptations` text,
	`setting` text,
	`group_size` text,
	`is_active` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `id`)
);
--> statement-breakpoint
CREATE TABLE `coaching_notes` (
	`owner` text NOT NULL,
	`id` text NOT NULL,
	`child_id` text NOT NULL,
	`author` text NOT NULL,
	`text` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `id`)
);
--> statement-breakpoint
CREATE TABLE `participation_tallies` (
	`owner` text NOT NULL,
	`child_id` text NOT NULL,
	`activity_id` text NOT NULL,
	`times` integer NOT NULL,
	`last_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `child_id`, `activity_id`)
);
--> statement-breakpoint
CREATE TABLE `participation_weeks` (
	`owner` text NOT NULL,
	`dimension` text NOT NULL,
	`key` text NOT NULL,
	`week` text NOT NULL,
	`times` integer NOT NULL,
	PRIMARY KEY(`owner`, `dimension`, `key`, `week`)
);
--> statement-breakpoint
CREATE TABLE `participations` (
	`owner` text NOT NULL,
	`id` text NOT NULL,
	`child_id` text NOT NULL,
	`activity_id` text NOT NULL,
	`participated_at` integer NOT NULL,
	`duration_minutes` integer,
	`notes` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `id`)
);
--> statement-breakpoint
CREATE TABLE `chunks` (
	`owner` text NOT NULL,
	`id` text NOT NULL,
	`document` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `id`)
);
