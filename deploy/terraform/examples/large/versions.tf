terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # The state holds no password. `terraform init -backend-config=bucket=…` says where it is kept.
  backend "gcs" {}
}

provider "google" {
  project               = var.project
  region                = var.region
  user_project_override = true # the budget is asked for in this project's name
  billing_project       = var.project
}
