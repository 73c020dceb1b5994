variable "project" {
  description = "The Google Cloud project of the platform."
  type        = string
}

variable "region" {
  description = "The region of the platform, where its images are."
  type        = string
  default     = "europe-west3"
}

variable "name" {
  description = "What the platform's names begin with."
  type        = string
  default     = "energy"
}

variable "repository" {
  description = "The repository whose workflows are trusted: `owner/name`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "Name the repository as owner/name."
  }
}

variable "repository_id" {
  description = "The repository's number: `gh api repos/OWNER/NAME --jq .id`."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.repository_id))
    error_message = "A repository's number has digits only."
  }
}

variable "state_bucket" {
  description = "The bucket with Terraform's state of the platform."
  type        = string
}
