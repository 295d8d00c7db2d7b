//! The models of this browser as the screens see them: what is kept, what is on its way, how fast.
//! Draws nothing; the bytes are the node's business, and nothing is fetched that nobody clicked on.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use send_wrapper::SendWrapper;

use crate::browser::page;
use crate::catalogue::Catalogue;
use crate::looking::{Looking, Next};
use crate::pace::Pace;
use crate::source::Source;
use crate::state::Node;
use crate::view::{Fault, Kept};

/// Handles only: copying it shares everything.
#[derive(Clone, Copy)]
pub struct Shelf {
    node: Node,
    pub kept: RwSignal<Kept>,
    /// By model, by address or by a file's name.
    pub jobs: RwSignal<BTreeMap<String, Job>>,
    /// The catalogue, or why there is none; nothing while nobody has looked.
    pub catalogue: RwSignal<Option<Result<Catalogue, Fault>>>,
    looking: StoredValue<Looking>,
    /// Nothing of this page outlives it, and what other pages keep is not its business.
    memory_only: bool,
}

/// Something that takes its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub name: String,
    pub task: Task,
    pub state: JobState,
    pub here_bytes: u64,
    pub total_bytes: u64,
    pub pace: Pace,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Fetch all of a known model.
    Download,
    /// Read all of it again.
    Verify,
    Url {
        source: Source,
        license: Option<String>,
    },
    File(Chosen),
}

impl Task {
    /// Whether it brings a model of the person's own.
    fn brings(&self) -> bool {
        matches!(self, Self::Url { .. } | Self::File(_))
    }
}

/// A file that a person chose.
#[derive(Clone, Debug)]
pub struct Chosen(SendWrapper<web_sys::File>);

impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        js_sys::Object::is(&self.0, &other.0)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    Running,
    Paused,
    Failed(Fault),
    /// A model was read through; so many bytes of it are whole.
    Verified(u64),
}

impl Job {
    fn new(name: &str, task: Task) -> Self {
        Self {
            name: name.to_owned(),
            task,
            state: JobState::Running,
            here_bytes: 0,
            total_bytes: 0,
            pace: Pace::default(),
        }
    }

    pub fn is_running(&self) -> bool {
        self.state == JobState::Running
    }
}

impl JobState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed(_) => "failed",
            Self::Verified(_) => "verified",
        }
    }
}

impl Shelf {
    pub fn new(node: Node, memory_only: bool) -> Self {
        let shelf = Self {
            node,
            kept: RwSignal::default(),
            jobs: RwSignal::default(),
            catalogue: RwSignal::new(None),
            looking: StoredValue::default(),
            memory_only,
        };
        if !memory_only && page::has_own_models() {
            // Models that only this browser knows must be in every list from the start.
            shelf.look();
        }
        shelf
    }

    /// Asks what is kept, until there is an answer.
    pub fn look(self) {
        let begins = self.looking.try_update_value(Looking::want);
        if begins != Some(true) {
            return;
        }
        spawn_local(async move {
            loop {
                let kept = self.node.kept().await;
                let well = kept.is_ok();
                if let Ok(kept) = kept {
                    self.take_in(kept);
                }
                match self.looking.try_update_value(|looking| looking.ended(well)) {
                    Some(Next::Look) => {}
                    Some(Next::LookAfter { ms }) => page::sleep(ms).await,
                    Some(Next::Rest) | None => return,
                }
            }
        });
    }

    /// Looks where a model that the address names is listed nowhere: it may be kept here all the same.
    pub fn seek(self, model: String) {
        if self.memory_only {
            return;
        }
        let unlisted = Memo::new(move |_| {
            let snapshot = self.node.snapshot;
            snapshot.with(|snapshot| snapshot.is_listed() && snapshot.model(&model).is_none())
        });
        Effect::new(move || {
            let looked = self.kept.with_untracked(|kept| kept.known);
            let looks = self.looking.with_value(Looking::is_under_way);
            if unlisted.get() && !looked && !looks {
                self.look();
            }
        });
    }

    /// Finds out what a model is that only its lenders know.
    pub async fn look_up(self, model: &str) -> Result<(), Fault> {
        self.node.look_up(model).await?;
        self.look();
        Ok(())
    }

    /// Fetches the catalogue, once.
    pub fn open_catalogue(self) {
        if self.catalogue.with_untracked(|c| !matches!(c, Some(Ok(_)))) {
            spawn_local(async move {
                let found = self.node.catalogue(&page::origin()).await;
                self.catalogue.set(Some(found));
            });
        }
    }

    pub fn download(self, model: &str, name: &str) {
        self.begin(model, name, Task::Download);
    }

    pub fn verify(self, model: &str, name: &str) {
        self.begin(model, name, Task::Verify);
    }

    pub fn import_url(self, source: Source, name: &str, license: Option<String>) {
        let key = source.url.clone();
        self.begin(&key, name, Task::Url { source, license });
    }

    /// The same for an address that a person typed: the file names itself, `shown` is for the line until then.
    pub fn import_named(self, source: Source, shown: String) {
        let key = source.url.clone();
        let task = Task::Url {
            source,
            license: None,
        };
        self.begin(&key, &shown, task);
    }

    pub fn import_file(self, file: web_sys::File) {
        let name = file.name();
        self.begin(&name, &name, Task::File(Chosen(SendWrapper::new(file))));
    }

    /// Stops something where it is; what has come stays.
    pub fn pause(self, key: &str) {
        let key = key.to_owned();
        spawn_local(async move { self.node.pause(&key).await });
    }

    /// Goes on with something that was paused or failed.
    pub fn resume(self, key: &str) {
        if let Some(job) = self.jobs.with_untracked(|jobs| jobs.get(key).cloned()) {
            self.begin(key, &job.name, job.task);
        }
    }

    /// Deletes a model, or what has come of something unfinished.
    pub fn forget(self, key: &str) {
        let key = key.to_owned();
        spawn_local(async move {
            match self.node.forget(&key).await {
                Ok(()) => self.jobs.update(|jobs| drop(jobs.remove(&key))),
                Err(fault) => self.jobs.update(|jobs| {
                    let job = jobs
                        .entry(key.clone())
                        .or_insert_with(|| Job::new(&key, Task::Verify));
                    job.state = JobState::Failed(fault);
                }),
            }
            self.look();
        });
    }

    /// Takes a notice away.
    pub fn dismiss(self, key: &str) {
        self.jobs.update(|jobs| drop(jobs.remove(key)));
    }

    fn begin(self, key: &str, name: &str, task: Task) {
        let running = self
            .jobs
            .with_untracked(|jobs| jobs.get(key).is_some_and(Job::is_running));
        if running {
            return;
        }
        if task.brings() && self.keeps() {
            // Before anybody can see the model: whoever then leaves at once finds it in the list again.
            page::note_own_models(true);
        }
        let job = Job::new(name, task.clone());
        self.jobs.update(|jobs| _ = jobs.insert(key.to_owned(), job));
        page::ask_to_persist();
        spawn_local(page::keep_engine());
        let (key, name) = (key.to_owned(), name.to_owned());
        spawn_local(async move {
            let end = self.perform(&key, &name, &task).await;
            match end {
                Ok(Some(state)) => self.change(&key, |job| job.state = state),
                Ok(None) => self.jobs.update(|jobs| drop(jobs.remove(&key))),
                Err(fault) if fault.code == "aborted" => {
                    self.change(&key, |job| job.state = JobState::Paused)
                }
                Err(fault) => self.change(&key, |job| job.state = JobState::Failed(fault)),
            }
            self.look();
        });
    }

    fn take_in(self, kept: Kept) {
        let own = kept.models.iter().any(|kept| kept.model.own);
        self.kept.set(kept);
        let brings = self.jobs.with_untracked(|jobs| {
            let mut jobs = jobs.values();
            jobs.any(|job| job.is_running() && job.task.brings())
        });
        let behind = self.looking.with_value(Looking::is_behind);
        // What is on its way was noted when it began, and what has just come is seen by the next look.
        if self.keeps() && (own || !(brings || behind)) {
            page::note_own_models(own);
        }
    }

    /// Whether what this page brings is there on the next visit, as far as anybody has looked.
    fn keeps(self) -> bool {
        let may = self.kept.with_untracked(|kept| kept.persistent || !kept.known);
        may && !self.memory_only
    }

    /// Does it; a state to show at its end, if there is one.
    async fn perform(self, key: &str, name: &str, task: &Task) -> Result<Option<JobState>, Fault> {
        let told = key.to_owned();
        let progress = Box::new(move |here, total| {
            self.change(&told, |job| {
                job.here_bytes = here;
                job.total_bytes = total;
                job.pace.note(page::now_ms(), here);
            });
        });
        match task {
            Task::Download => self.node.download(key, progress).await.map(|()| None),
            Task::Verify => {
                let whole = self.node.verify(key, progress).await?;
                Ok(Some(JobState::Verified(whole)))
            }
            Task::Url { source, license } => {
                // Only the catalogue names a model; a file that was found elsewhere says its own name.
                let name = if name == source.file_name { "" } else { name };
                let imported = self.node.import_url(source, name, license.clone(), progress);
                imported.await.map(|_| None)
            }
            Task::File(file) => self.node.import_file(&file.0, progress).await.map(|_| None),
        }
    }

    fn change(self, key: &str, change: impl FnOnce(&mut Job)) {
        self.jobs.update(|jobs| {
            if let Some(job) = jobs.get_mut(key) {
                change(job);
            }
        });
    }
}
