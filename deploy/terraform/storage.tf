# Raw messages (and below `_replay/` what a replay stages), leases, and backups: a bucket each, since each is kept
# differently.
resource "google_storage_bucket" "landing" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-landing"
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection
  labels                      = local.labels

  # Segments are merged and their parts deleted, so the bucket can't forbid deletion. What was deleted can be brought
  # back for a while.
  soft_delete_policy {
    retention_duration_seconds = var.landing.restorable_for_days * 86400
  }

  # Kept for good: replays start here. What is old is read seldom.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age                   = var.landing.nearline_after_days
      matches_storage_class = ["STANDARD"]
    }
  }

  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "ARCHIVE"
    }
    condition {
      age                   = var.landing.archive_after_days
      matches_storage_class = ["NEARLINE"]
    }
  }

  # What a replay that nobody finished has staged.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 14
      matches_prefix = ["landing/_replay/"]
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket" "leases" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-leases"
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # a lease is worth seconds
  labels                      = local.labels

  # A lease is written over every few seconds: kept versions would cost more than all else here.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket" "backups" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-backups"
  location                    = var.region
  storage_class               = "NEARLINE"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection
  labels                      = local.labels

  # Nobody deletes or changes a younger backup, whatever they may do otherwise. Once locked, this can't be shortened.
  retention_policy {
    retention_period = tostring(var.landing.backups_kept_days * 86400)
    is_locked        = var.landing.backups_can_t_change
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.landing.backups_kept_days + 1
    }
  }

  depends_on = [google_project_service.api]
}
