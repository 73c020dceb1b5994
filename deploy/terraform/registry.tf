# The platform's images, and a mirror of Docker Hub for machines without a way to the internet.
resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "The platform's images."
  labels        = local.labels

  # A tag that a release has names one image for good.
  docker_config {
    immutable_tags = true
  }

  cleanup_policies {
    id     = "untagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s"
    }
  }

  # What a roll-back may need.
  cleanup_policies {
    id     = "newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_artifact_registry_repository" "mirror" {
  project       = var.project
  location      = var.region
  repository_id = "${var.name}-docker-hub"
  format        = "DOCKER"
  mode          = "REMOTE_REPOSITORY"
  description   = "Docker Hub's images, as they were when they were first asked for."
  labels        = local.labels

  remote_repository_config {
    docker_repository {
      public_repository = "DOCKER_HUB"
    }
  }

  depends_on = [google_project_service.api]
}

locals {
  mirror = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.mirror.repository_id}"
}
