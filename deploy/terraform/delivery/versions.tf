terraform {
  # 1.11 is the first that keeps write-only values, such as the database's password, out of the state.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }
}
