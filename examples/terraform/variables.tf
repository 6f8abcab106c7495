variable "switch_url" {
  description = "Where NX-API of the switch is (feature nxapi), e.g. https://192.0.2.1."
  type        = string
}

variable "username" {
  description = "An administrator of the switch."
  type        = string
  default     = "admin"
}

variable "password" {
  description = "The administrator's password."
  type        = string
  sensitive   = true
}

variable "transport_mode" {
  description = "How usage leaves the switch."
  type        = string
  default     = "transportCslu"

  validation {
    condition     = contains(["transportCallhome", "transportCslu", "transportOff", "transportSmart"], var.transport_mode)
    error_message = "It is transportCallhome, transportCslu, transportOff or transportSmart."
  }
}

variable "cslu_url" {
  description = "Where the CSLU takes usage."
  type        = string
  default     = "http://192.0.2.7:8182/cslu/v1/pi"
}

variable "usage_interval_days" {
  description = "Days between two reports, 1 to 365."
  type        = number
  default     = 40

  validation {
    condition     = var.usage_interval_days >= 1 && var.usage_interval_days <= 365
    error_message = "It is 1 to 365 days."
  }
}
