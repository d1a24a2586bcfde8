from django.urls import path

from webapp import errors

app_name = "accounts"
urlpatterns = [
    path("setup/<str:token>/", errors.not_found, {"exception": Exception()}, name="setup"),
    path("login/", errors.not_found, {"exception": Exception()}, name="login"),
    path("logout/", errors.not_found, {"exception": Exception()}, name="logout"),
    path("account/", errors.not_found, {"exception": Exception()}, name="account"),
    path("invitations/<str:token>/", errors.not_found, {"exception": Exception()}, name="invitation"),
]
