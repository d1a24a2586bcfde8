from django.urls import path

from webapp.accounts import views

app_name = "accounts"
urlpatterns = [
    path("setup/<str:token>/", views.setup, name="setup"),
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("password/<str:uid>/<str:token>/", views.new_password, name="new_password"),
    path("account/", views.account, name="account"),
    path("account/name/", views.account_name, name="account_name"),
    path("account/password/", views.account_password, name="account_password"),
    path("account/invite/", views.invite, name="invite"),
    path("account/invitations/<int:invitation_id>/revoke/", views.revoke, name="revoke"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
]
