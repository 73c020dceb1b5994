variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "region" {
  description = "Where everything runs."
  type        = string
  default     = "europe-west3"
}

variable "image" {
  description = "The platform's image, by its digest."
  type        = string
}

variable "provider_keys" {
  description = "The providers' keys that the desk has."
  type        = set(string)
  default     = []
}

variable "passwords" {
  description = "The passwords that processes use among themselves: `export TF_VAR_passwords=…`, as JSON."
  type = object({
    database       = string
    valkey         = string
    influxdb_token = string
    influxdb_admin = string
    grafana_admin  = string
  })
  sensitive = true
  ephemeral = true
}

variable "users" {
  description = "The platform's user list, the text of its file."
  type        = string
  default     = "{\"users\": {}}"
}

variable "emails" {
  description = "Who is told when something is wrong."
  type        = set(string)
  default     = []
}

variable "operators" {
  description = "Who may open the Dagster UI and Grafana."
  type        = set(string)
  default     = []
}

variable "dashboard_viewers" {
  description = "Who may open the dashboard."
  type        = set(string)
  default     = []
}

variable "billing_account" {
  description = "The billing account whose budget is watched."
  type        = string
  default     = null
}
