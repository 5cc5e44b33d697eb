{
  environment.etc.change.text = "good";
}
