@echo off
rem Double-click me: finds a Python, or gets one with your consent, and hands every argument to bootstrap.py.
rem Without arguments it goes the whole way (up).
rem
rem Paths may hold spaces, ampersands, brackets, exclamation and percent signs and any letters. Hence: delayed expansion
rem stays off (it would eat exclamation marks), no path is passed through "call" (it expands percent signs once more),
rem and no program's output is read as a path unless it speaks the console's own code page, as "where" does.
setlocal EnableExtensions DisableDelayedExpansion

set "HERE=%~dp0"
set "BOOTSTRAP=%~dp0bootstrap.py"
set "OWN_PYTHONS=%LOCALAPPDATA%\dreamboot\python"
set "PYTHON="
set "SWITCH="
set "REFUSED="
set "CODE=1"

call :find_out_who_started_us
if not exist "%BOOTSTRAP%" goto no_checkout
call :warn_about_the_folder

call :look_for_python
if not defined PYTHON call :offer_python %*
if not defined PYTHON goto no_python

if "%~1"=="" goto whole_way
"%PYTHON%" %SWITCH% "%BOOTSTRAP%" %*
set "CODE=%ERRORLEVEL%"
goto finish

:whole_way
"%PYTHON%" %SWITCH% "%BOOTSTRAP%" up
set "CODE=%ERRORLEVEL%"
goto finish


:no_checkout
echo Problem: bootstrap.py is not beside setup.bat.>&2
echo Why:     setup.bat was started from inside a zip file, or copied away from its folder.>&2
echo Next:    unpack the whole zip file, then start installer\setup.bat in the unpacked folder.>&2
goto finish

:no_python
echo.>&2
echo Problem: there is no Python here that dreamboot can use.>&2
if defined REFUSED echo Why:     what was found is named above; 64-bit Python 3.8 or newer is needed.>&2
if not defined REFUSED echo Why:     neither the py launcher, nor PATH, nor the usual folders have one.>&2
echo Next:    install 64-bit Python 3.11 from https://www.python.org/downloads/windows/ and start setup.bat again,>&2
echo          or let setup.bat fetch one for you alone:  setup.bat up --yes>&2
goto finish

:finish
if not defined DOUBLE_CLICKED exit /b %CODE%
echo.
if not "%CODE%"=="0" echo It ended with code %CODE%. Read the lines above.
pause
exit /b %CODE%


rem ---- who started us: Explorer runs `cmd /c ""...\setup.bat" "`, and its window closes when we end
:find_out_who_started_us
set "DOUBLE_CLICKED="
if defined CI exit /b 0
if defined DREAMBOOT_NO_PAUSE exit /b 0
if not defined CMDCMDLINE exit /b 0
set "LINE=%CMDCMDLINE:"=%"
if not defined LINE exit /b 0
rem Explorer leaves this trace behind the name: the empty list of dropped files.
if /i not "%LINE:~-10%"=="setup.bat " exit /b 0
set "DOUBLE_CLICKED=1"
exit /b 0


rem ---- places that make trouble later
:warn_about_the_folder
if not "%HERE:~0,2%"=="\\" goto not_a_share
echo Note: dreamboot lies on a network share. It works, but slowly; a copy on a local disk is better.>&2
:not_a_share
set "WITHOUT=%HERE:\OneDrive=%"
if "%WITHOUT%"=="%HERE%" exit /b 0
echo Note: dreamboot lies in a OneDrive folder, which locks files while it copies them. Environments are kept outside,>&2
echo       in %%LOCALAPPDATA%%\dreamboot; keep models and photos outside too.>&2
exit /b 0


rem ---- Pythons: what the caller names, the py launcher, PATH, the usual folders
:look_for_python
if defined DREAMBOOT_PYTHON set "CANDIDATE=%DREAMBOOT_PYTHON%"
if defined DREAMBOOT_PYTHON call :consider
call :ask_the_launcher
for /f "delims=" %%P in ('where python 2^>nul') do (
  set "CANDIDATE=%%P"
  call :consider
)
set "PLACE=%LOCALAPPDATA%\Programs\Python"
call :look_in Python3*
set "PLACE=%ProgramFiles%"
call :look_in Python3*
set "PLACE=%SystemDrive%\"
call :look_in Python3*
set "PLACE=%OWN_PYTHONS%"
call :look_in cpython-3*
set "PLACE=%APPDATA%\uv\python"
call :look_in cpython-3*
for %%D in ("%USERPROFILE%\miniconda3" "%USERPROFILE%\miniforge3" "%USERPROFILE%\anaconda3") do (
  set "CANDIDATE=%%~D\python.exe"
  call :consider
)
exit /b 0


rem Names are matched in the folder itself: a path with a wildcard needs quotes, and not every cmd matches those.
:look_in
if defined PYTHON exit /b 0
pushd "%PLACE%" 2>nul
if errorlevel 1 exit /b 0
for /d %%D in (%1) do (
  set "CANDIDATE=%%~fD\python.exe"
  call :consider
)
popd
exit /b 0


:ask_the_launcher
if defined PYTHON exit /b 0
where py >nul 2>nul
if errorlevel 1 exit /b 0
rem The newer launcher would fetch a Python when there is none; that is asked for below.
set "PYTHON_MANAGER_AUTOMATIC_INSTALL=false"
py -3 -I -c "import sys, importlib.util as u; sys.exit(41 if sys.version_info < (3, 8) else 42 if sys.maxsize < 2**32 else 43 if not u.find_spec('venv') else 0)" <nul >nul 2>nul
if not "%ERRORLEVEL%"=="0" exit /b 0
set "PYTHON=py"
set "SWITCH=-3"
exit /b 0


:consider
if defined PYTHON exit /b 0
if not exist "%CANDIDATE%" exit /b 0
set "WITHOUT=%CANDIDATE:\WindowsApps\=%"
if "%WITHOUT%"=="%CANDIDATE%" goto not_of_the_store
set "REFUSED=1"
echo Passed over: "%CANDIDATE%" belongs to the Microsoft Store: a stub that only opens the Store, or a boxed-in Python.>&2
exit /b 0
:not_of_the_store
"%CANDIDATE%" -I -c "import sys, importlib.util as u; sys.exit(41 if sys.version_info < (3, 8) else 42 if sys.maxsize < 2**32 else 43 if not u.find_spec('venv') else 0)" <nul >nul 2>nul
rem A program that crashes ends with a negative code, which IF ERRORLEVEL takes for good.
if "%ERRORLEVEL%"=="0" goto good
set "REFUSED=1"
if errorlevel 44 goto broken
if errorlevel 43 goto without_venv
if errorlevel 42 goto narrow
if errorlevel 41 goto old
:broken
echo Passed over: "%CANDIDATE%" does not run.>&2
exit /b 0
:good
set "PYTHON=%CANDIDATE%"
exit /b 0
:old
echo Passed over: "%CANDIDATE%" is older than Python 3.8.>&2
exit /b 0
:narrow
echo Passed over: "%CANDIDATE%" is a 32-bit Python; PyTorch has 64-bit builds only.>&2
exit /b 0
:without_venv
echo Passed over: "%CANDIDATE%" is the embeddable Python; it can make no environments.>&2
exit /b 0


rem ---- a Python of our own, through uv, below %LOCALAPPDATA%: no administrator, nothing on PATH, nothing in the registry
:offer_python
set "CONSENT="
:next_argument
if "%~1"=="" goto ask
if "%~1"=="--yes" set "CONSENT=1"
if "%~1"=="-y" set "CONSENT=1"
shift
goto next_argument
:ask
if defined CONSENT goto fetch
set "ANSWER="
set /p "ANSWER=No usable Python was found. Fetch Python 3.12 for dreamboot alone, by uv (about 50 MB)? [y/N] "
if /i not "%ANSWER%"=="y" exit /b 0
:fetch
set "UV=uv"
where uv >nul 2>nul
if not errorlevel 1 goto have_uv
call :fetch_uv
if errorlevel 1 exit /b 0
:have_uv
set "UV_PYTHON_INSTALL_DIR=%OWN_PYTHONS%"
set "UV_PYTHON_INSTALL_BIN=0"
set "UV_PYTHON_INSTALL_REGISTRY=0"
"%UV%" python install 3.12
if errorlevel 1 exit /b 0
set "PLACE=%OWN_PYTHONS%"
call :look_in cpython-3*
exit /b 0


rem ---- uv from its releases; curl, tar and certutil are part of Windows since 10 (1803)
:fetch_uv
set "UV_DIR=%LOCALAPPDATA%\dreamboot\uv"
set "UV_ZIP=https://github.com/astral-sh/uv/releases/latest/download/uv-x86_64-pc-windows-msvc.zip"
set "WANTED="
if not exist "%UV_DIR%" mkdir "%UV_DIR%"
curl -fL --retry 3 -o "%UV_DIR%\uv.zip" "%UV_ZIP%" && curl -fsL --retry 3 -o "%UV_DIR%\uv.sha256" "%UV_ZIP%.sha256"
if errorlevel 1 goto no_uv
for /f "usebackq tokens=1" %%H in ("%UV_DIR%\uv.sha256") do set "WANTED=%%H"
if not defined WANTED goto no_uv
certutil -hashfile "%UV_DIR%\uv.zip" SHA256 | findstr /i /c:"%WANTED%" >nul
if errorlevel 1 goto no_uv
tar -xf "%UV_DIR%\uv.zip" -C "%UV_DIR%"
if errorlevel 1 goto no_uv
set "UV=%UV_DIR%\uv.exe"
exit /b 0
:no_uv
echo uv could not be fetched, or is not the file that its release names.>&2
exit /b 1
